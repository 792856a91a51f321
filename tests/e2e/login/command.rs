//! `portcullis sessions`, the built program against a running gateway.

use portcullis_tests::binary::{Ran, run};
use portcullis_tests::idp::ALICE;
use portcullis_tests::jar::Browser;
use portcullis_tests::site::Site;
use serde_json::Value;

use super::{alice, idp, site};

const PAGE: &str = "https://app.test/page";

async fn sessions(site: &Site, arguments: &[&str]) -> Ran {
    // The tests' listeners take any free port; the command line reads the port from the configuration.
    let address = site.gateway.admin.unwrap();
    let config = site.files.read("config/portcullis.toml");
    site.files.write("config/here.toml", config.replace("admin = \"127.0.0.1:0\"", &format!("admin = \"{address}\"")));
    let config = site.files.path("config/here.toml");
    let arguments = [&["sessions"], arguments, &["--config", config.to_str().unwrap()]].concat();
    run(site.files.root(), &arguments).await
}

async fn works(browser: &mut Browser) -> bool {
    browser.fetch("GET", PAGE).await.status == 200
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_who_is_logged_in_and_ends_it_by_id_by_person_and_by_time() {
    let idp = idp().await;
    let site = site(&idp).await;
    let (mut one, mut two) = (alice(&site).await, alice(&site).await);
    let mut bob = Browser::new(&site);
    assert_eq!(bob.follow(PAGE, "bob").await.answer.status, 200);
    let person = format!("test|{ALICE}");

    let listed = sessions(&site, &["list"]).await;
    assert_eq!((listed.code, listed.stdout.lines().count()), (Some(0), 3), "{listed:#?}");
    let listed = sessions(&site, &["list", "--user", &person]).await;
    assert_eq!((listed.code, listed.stdout.lines().count()), (Some(0), 2), "{listed:#?}");
    assert!(listed.stdout.lines().all(|line| line.contains(&person) && line.contains("127.0.0.1")), "{listed:#?}");
    let shown = sessions(&site, &["list", "--user", &person, "--format", "json"]).await;
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    let id = shown["items"][0]["id"].as_str().unwrap();

    let ended = sessions(&site, &["revoke", id]).await;
    assert_eq!((ended.code, &*ended.stdout), (Some(0), "ended: 1\n"), "{ended:#?}");
    assert_eq!([works(&mut one).await, works(&mut two).await, works(&mut bob).await], [false, true, true]);
    let again = sessions(&site, &["revoke", id]).await;
    assert_eq!(again.code, Some(1), "{again:#?}");
    assert!(again.stderr.contains("there is no session with this id"), "{again:#?}");
    let before = sessions(&site, &["revoke", "--user", &person, "--before", "1000000000"]).await;
    assert_eq!((before.code, &*before.stdout), (Some(0), "ended: 0\n"), "{before:#?}");
    let ended = sessions(&site, &["revoke", "--user", &person]).await;
    assert_eq!((ended.code, &*ended.stdout), (Some(0), "ended: 1\n"), "{ended:#?}");
    assert_eq!([works(&mut two).await, works(&mut bob).await], [false, true]);
    let all = sessions(&site, &["revoke", "--all"]).await;
    assert_eq!((all.code, &*all.stdout), (Some(0), "ended: 1\n"), "{all:#?}");
    assert!(!works(&mut bob).await);
    for wrong in [&["revoke"][..], &["revoke", "x"], &["revoke", id, "--all"], &["revoke", id, "--before", "1"]] {
        assert_eq!(sessions(&site, wrong).await.code, Some(2), "{wrong:?}");
    }
}
