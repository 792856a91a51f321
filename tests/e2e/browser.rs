//! What does a person see, in a browser of their own?

mod login;
mod pages;

use portcullis_tests::browser::{Browser, Look};

use crate::demo::Demo;

/// A demo, and a browser that believes its certificate.
struct Visit {
    demo: Demo,
    browser: Browser,
}

impl Visit {
    async fn start(more: &[&str]) -> Self {
        let demo = Demo::start(more).await;
        let browser = Browser::start(&[&demo.path("data_dir").join("tls/server.pem")]).await;
        Self { demo, browser }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.demo.text("public"))
    }
}

/// Keeps the page as a picture in every light, and asks that nobody must scroll sideways.
async fn pictures(browser: &Browser, name: &str) {
    for (look, suffix) in [(Look::Dark, "dark"), (Look::Narrow, "narrow"), (Look::Light, "light")] {
        browser.look(look).await;
        browser.picture(&format!("{name}-{suffix}")).await;
        assert!(!browser.overflows().await, "{name} is too wide: {look:?}");
    }
}
