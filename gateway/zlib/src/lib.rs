//! Which zlib? The memory-safe one, so that the gateway builds without cmake.
//!
//! Pingora asks for `flate2` with zlib-ng, whose own build needs cmake; a fresh machine has none. This crate
//! offers the part of zlib's interface that `flate2` calls, on top of `libz-rs-sys` (zlib in Rust).
//! The gateway never compresses: the code is linked, not run.
//!
//! # Safety
//! Every function passes its arguments on unchanged; the callers' duties are zlib's own.
#![expect(non_camel_case_types, non_snake_case, reason = "the names of zlib's C interface")]
#![expect(clippy::missing_safety_doc, reason = "said once, in the crate's own words")]

use core::ffi::{c_char, c_int, c_uint, c_ulong, c_void};

pub use libz_rs_sys::{
    Z_BLOCK, Z_BUF_ERROR, Z_DATA_ERROR, Z_DEFAULT_STRATEGY, Z_DEFLATED, Z_FINISH, Z_FULL_FLUSH, Z_MEM_ERROR,
    Z_NEED_DICT, Z_NO_FLUSH, Z_OK, Z_PARTIAL_FLUSH, Z_STREAM_END, Z_STREAM_ERROR, Z_SYNC_FLUSH, zlibVersion,
};

pub type uInt = c_uint;
pub type alloc_func = extern "C" fn(*mut c_void, uInt, uInt) -> *mut c_void;
pub type free_func = extern "C" fn(*mut c_void, *mut c_void);

/// zlib's stream, with the allocators never null. Same layout as `libz_rs_sys::z_stream`.
#[repr(C)]
pub struct z_stream {
    pub next_in: *mut u8,
    pub avail_in: uInt,
    pub total_in: c_ulong,
    pub next_out: *mut u8,
    pub avail_out: uInt,
    pub total_out: c_ulong,
    pub msg: *mut c_char,
    pub state: *mut c_void,
    pub zalloc: alloc_func,
    pub zfree: free_func,
    pub opaque: *mut c_void,
    pub data_type: c_int,
    pub adler: c_ulong,
    pub reserved: c_ulong,
}

// INVARIANT: a stream of ours can be read as one of theirs.
const _: () = {
    use core::mem::{align_of, offset_of, size_of};
    use libz_rs_sys::z_stream as Theirs;
    assert!(size_of::<z_stream>() == size_of::<Theirs>());
    assert!(align_of::<z_stream>() == align_of::<Theirs>());
    assert!(offset_of!(z_stream, next_out) == offset_of!(Theirs, next_out));
    assert!(offset_of!(z_stream, msg) == offset_of!(Theirs, msg));
    assert!(offset_of!(z_stream, state) == offset_of!(Theirs, state));
    assert!(offset_of!(z_stream, zalloc) == offset_of!(Theirs, zalloc));
    assert!(offset_of!(z_stream, zfree) == offset_of!(Theirs, zfree));
    assert!(offset_of!(z_stream, opaque) == offset_of!(Theirs, opaque));
    assert!(offset_of!(z_stream, adler) == offset_of!(Theirs, adler));
};

macro_rules! pass {
    ($(fn $name:ident($($arg:ident: $kind:ty),*);)*) => {$(
        pub unsafe extern "C" fn $name(stream: *mut z_stream, $($arg: $kind),*) -> c_int {
            // SAFETY: the layouts are equal (above) and the caller keeps zlib's contract.
            unsafe { libz_rs_sys::$name(stream.cast(), $($arg),*) }
        }
    )*};
}

pass! {
    fn deflate(flush: c_int);
    fn deflateEnd();
    fn deflateInit2_(level: c_int, method: c_int, window_bits: c_int, mem_level: c_int, strategy: c_int, version: *const c_char, size: c_int);
    fn deflateParams(level: c_int, strategy: c_int);
    fn deflateReset();
    fn deflateSetDictionary(dictionary: *const u8, length: uInt);
    fn inflate(flush: c_int);
    fn inflateEnd();
    fn inflateInit2_(window_bits: c_int, version: *const c_char, size: c_int);
    fn inflateReset2(window_bits: c_int);
    fn inflateSetDictionary(dictionary: *const u8, length: uInt);
}
