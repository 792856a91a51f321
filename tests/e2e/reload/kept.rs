//! What is wrong changes nothing, and is told.

use portcullis_server::app::StartError;
use portcullis_tests::site::Setup;

use super::{NOBODY_READS, pending, reload, reloaded_well, turning, until_status};

const ORDER: &str = r#"{ "type": "object" }"#;

fn whole() -> Setup {
    turning().route("create", "POST /items", "write", "body_schema = \"item.json\"\n").file("config/item.json", ORDER)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_of_any_kind_keeps_the_old_configuration_until_it_is_mended() {
    let site = whole().start().await;
    let (mut admin, key) = (site.admin().await, site.admin_key());
    let version = site.gateway.version();
    let cases = [
        ("config/portcullis.toml", "[server\n", "config/portcullis.toml"),
        ("policies/turn.cedar", "permit (principal, action", "policies/turn.cedar"),
        ("policies/schema.cedarschema", "entity", "policies/schema.cedarschema"),
        ("config/item.json", "{ \"type\": 7 }", "config/item.json"),
        ("config/item.json", "{", "config/item.json"),
        ("certs/app.pem", "no certificate", "certs/app.pem"),
        ("certs/app.key", "no key", "certs/app.key"),
    ];
    for (file, bad, named) in cases {
        let good = site.files.read(file);
        site.files.write(file, bad);
        let (status, told) = reload(&mut admin, &key).await;
        assert_eq!((status, told["code"].as_str()), (422, Some("config_refused")), "{file}");
        let pending_now = pending(&mut admin, &key).await;
        assert!(pending_now[0].contains(named), "{file}: {pending_now:?}");
        assert_eq!(reloaded_well(&mut admin).await, "0", "{file}");
        assert_eq!(site.gateway.version(), version, "{file}");
        until_status(&site, "/items/1", 200).await;

        site.files.write(file, good);
        assert_eq!(reload(&mut admin, &key).await.0, 200, "{file}");
        assert_eq!(pending(&mut admin, &key).await, Vec::<String>::new(), "{file}");
        assert_eq!(reloaded_well(&mut admin).await, "1", "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_missing_keeps_the_old_configuration() {
    for gone in
        ["config/portcullis.toml", "policies", "policies/schema.cedarschema", "config/item.json", "certs/app.key"]
    {
        let site = whole().start().await;
        std::fs::rename(site.files.path(gone), site.files.path("elsewhere")).unwrap();
        let errors = site.gateway.reload().await.expect_err(gone);
        let name = gone.rsplit('/').next().unwrap();
        assert!(errors.iter().any(|error| error.to_string().contains(name)), "{gone}: {errors:?}");
        until_status(&site, "/items/1", 200).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_policy_files_gone_keeps_the_old_configuration() {
    let site = turning().start().await;
    for file in ["policies/turn.cedar", "policies/test.cedar"] {
        std::fs::remove_file(site.files.path(file)).unwrap();
    }
    site.gateway.reload().await.expect_err("no policies");
    until_status(&site, "/items/1", 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn does_not_start_without_policies() {
    let site = turning().start().await;
    std::fs::remove_dir_all(site.files.path("policies")).unwrap();
    let options = portcullis_server::app::Options {
        config: site.files.path("config/portcullis.toml"),
        variables: std::collections::HashMap::new(),
    };
    let Err(StartError::Config(errors)) = portcullis_server::app::Gateway::start(options).await else {
        panic!("it started, or failed otherwise")
    };
    assert!(errors.iter().any(|error| error.message.contains("policies")), "{errors:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_server_is_refused_whole_and_says_how_to_mend_it() {
    let site = turning().start().await;
    site.files.write("policies/turn.cedar", NOBODY_READS);
    site.files.edit("config/portcullis.toml", "grace_period = \"5s\"", "grace_period = \"6s\"");
    let errors = site.gateway.reload().await.expect_err("a change of [server]");
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0].message, "`[server]` has changed, and it cannot change while the gateway runs");
    assert_eq!(
        errors[0].help.as_deref(),
        Some("restart the gateway; until then the old configuration stays in force as a whole")
    );
    until_status(&site, "/items/1", 200).await;
}
