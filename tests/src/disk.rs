//! What if there is no room? A small disk of its own, mounted for one test; only root can.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system in memory, mounted over a folder until it is dropped.
pub struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// Mounts one of `kib` KiB over `folder`, which is made.
    pub fn mount(folder: &Path, kib: u32) -> Self {
        std::fs::create_dir_all(folder).expect("a folder");
        let disk = Self { folder: folder.to_owned() };
        disk.call("mount", &["-t", "tmpfs", "-o", &format!("size={kib}k,mode=700"), "tmpfs"]);
        disk
    }

    /// Gives it another size.
    pub fn resize(&self, kib: u32) {
        self.call("mount", &["-o", &format!("remount,size={kib}k")]);
    }

    /// Nothing can be written any more; nobody may have a file open to write it.
    pub fn protect(&self) {
        self.call("mount", &["-o", "remount,ro"]);
    }

    /// Fills what room there is with a file of this name.
    pub fn fill(&self, name: &str) {
        use std::io::Write as _;
        let mut file = std::fs::File::create(self.folder.join(name)).expect("a file");
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn call(&self, program: &str, arguments: &[&str]) {
        let ran = Command::new(program).args(arguments).arg(&self.folder).output().expect("the program `mount`");
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{program} {arguments:?}: {said}; these tests run as root");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whoever still has a file open there keeps it.
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
    }
}
