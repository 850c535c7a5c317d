//! Chromium, used as a person uses it: the real browser, driven through its WebDriver.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::elements::Element;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::{Method, Url};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::eventually::{SOON, eventually};
use crate::loopback::free_port;

/// How high a picture is at the most.
const LONGEST: u32 = 1300;

/// What somebody looks at the pages with.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Of the page, in its own pixels.
    pub width: u32,
    /// Of the page, in its own pixels.
    pub height: u32,
    /// Whether they like it dark.
    pub dark: bool,
    /// Whether scripts run.
    pub script: bool,
}

impl Look {
    /// A large screen.
    pub const DESKTOP: Self = Self { width: 1280, height: 800, dark: false, script: true };
    /// A small phone.
    pub const PHONE: Self = Self { width: 360, height: 740, dark: false, script: true };

    /// The same in the dark.
    pub const fn in_the_dark(self) -> Self {
        Self { dark: true, ..self }
    }

    /// The same where no script runs.
    pub const fn without_script(self) -> Self {
        Self { script: false, ..self }
    }
}

/// A running browser; it is killed when it is dropped.
#[derive(Debug)]
pub struct Chromium {
    driver: Child,
    client: Client,
    look: Look,
    _profile: TempDir,
}

/// A command of Chromium's own.
#[derive(Debug)]
struct Cdp(&'static str, Value);

impl WebDriverCompatibleCommand for Cdp {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, <Url as std::str::FromStr>::Err> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({ "cmd": self.0, "params": self.1 }).to_string()))
    }
}

impl Chromium {
    /// A browser that the server sees at this address.
    pub async fn at(ip: &str, look: Look) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // A group of its own, so that its browser goes with it.
        let driver = command.process_group(0).env("HOME", profile.path()).spawn();
        let driver = driver.expect("chromedriver starts: `./x browser` installs it, or says how");
        let client = connect(port, &capabilities(&profile, look)).await;
        let browser = Self { driver, client, look, _profile: profile };
        browser.sized(look.width, look.height).await;
        browser.prefers(&[("prefers-color-scheme", if look.dark { "dark" } else { "light" })]).await;
        browser.cdp("Emulation.setTimezoneOverride", json!({ "timezoneId": "UTC" })).await;
        browser.moves_to(ip).await;
        browser
    }

    /// It goes to another network: the server sees it there from now on.
    pub async fn moves_to(&self, ip: &str) {
        self.cdp("Network.enable", json!({})).await;
        self.cdp("Network.setExtraHTTPHeaders", json!({ "headers": { "X-Forwarded-For": ip } })).await;
    }

    /// Its owner is made ill by what moves.
    pub async fn wants_no_motion(&self) {
        self.prefers(&[("prefers-reduced-motion", "reduce")]).await;
    }

    async fn prefers(&self, features: &[(&str, &str)]) {
        let features: Vec<_> = features.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        self.cdp("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// Requests of this kind get nowhere from now on.
    pub async fn never_gets(&self, pattern: &str) {
        self.cdp("Network.enable", json!({})).await;
        self.cdp("Network.setBlockedURLs", json!({ "urls": [pattern] })).await;
    }

    /// Opens an address.
    pub async fn open(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    /// Where it is.
    pub async fn url(&self) -> String {
        self.client.current_url().await.unwrap().to_string()
    }

    /// The first element that the selector means, once there is one.
    pub async fn find(&self, selector: &str) -> Element {
        eventually(&format!("the page has {selector}"), SOON, async || match self.client.find(Locator::Css(selector)).await {
            Ok(element) => Ok(element),
            Err(error) => Err(format!("{error}\n{}", self.text().await)),
        })
        .await
    }

    /// How many elements the selector means.
    pub async fn count(&self, selector: &str) -> usize {
        self.client.find_all(Locator::Css(selector)).await.unwrap().len()
    }

    /// Waits until the selector means so many elements.
    pub async fn wait_for_count(&self, selector: &str, expected: usize) {
        eventually(&format!("the page has {expected} of {selector}"), SOON, async || {
            let count = self.client.find_all(Locator::Css(selector)).await.map_err(|error| error.to_string())?.len();
            if count == expected { Ok(()) } else { Err(format!("{count}\n{}", self.text().await)) }
        })
        .await;
    }

    /// Presses what the selector means: a page that changes meanwhile is pressed again.
    pub async fn press(&self, selector: &str) {
        eventually(&format!("{selector} can be pressed"), SOON, async || {
            let element = self.client.find(Locator::Css(selector)).await.map_err(|error| error.to_string())?;
            element.click().await.map_err(|error| error.to_string())
        })
        .await;
    }

    /// Types into a field.
    pub async fn write(&self, selector: &str, text: &str) {
        self.find(selector).await.send_keys(text).await.unwrap();
    }

    /// Chooses of a list.
    pub async fn choose(&self, selector: &str, value: &str) {
        self.find(selector).await.select_by_value(value).await.unwrap();
    }

    /// What is to be read on the page.
    pub async fn text(&self) -> String {
        match self.client.find(Locator::Css("body")).await {
            Ok(body) => body.text().await.unwrap_or_default(),
            Err(error) => error.to_string(),
        }
    }

    /// Waits until the page says this.
    pub async fn wait_until_it_says(&self, words: &str) {
        eventually(&format!("the page says {words:?}"), SOON, async || {
            let text = self.text().await;
            if text.contains(words) { Ok(()) } else { Err(text) }
        })
        .await;
    }

    /// What a script of the test's says of the page.
    pub async fn evaluate(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// What a script of the test's says in the end, by calling its last argument.
    pub async fn evaluate_later(&self, script: &str) -> Value {
        self.client.execute_async(script, Vec::new()).await.unwrap()
    }

    /// Presses keys, wherever the focus is.
    pub async fn keys(&self, keys: &str) {
        self.client.active_element().await.unwrap().send_keys(keys).await.unwrap();
    }

    /// A picture of the page, as high as it is but for the longest lists, twice as sharp.
    pub async fn picture(&self) -> Vec<u8> {
        let height = self.evaluate("return Math.ceil(document.documentElement.getBoundingClientRect().height)").await;
        let height = u32::try_from(height.as_u64().unwrap()).unwrap().min(LONGEST);
        self.sized(self.look.width, height).await;
        let picture = self.client.screenshot().await.unwrap();
        self.sized(self.look.width, self.look.height).await;
        picture
    }

    /// Ends it politely.
    pub async fn close(self) {
        let _ = self.client.clone().close().await;
    }

    async fn sized(&self, width: u32, height: u32) {
        let mobile = self.look.width < 600;
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 2, "mobile": mobile });
        self.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    async fn cdp(&self, command: &'static str, parameters: Value) {
        self.client.issue_cmd(Cdp(command, parameters)).await.unwrap();
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The whole group: what it has started does not outlive it.
        let group = format!("-{}", self.driver.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn capabilities(profile: &TempDir, look: Look) -> fantoccini::wd::Capabilities {
    let folder = format!("--user-data-dir={}", profile.path().display());
    let arguments = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        "--no-proxy-server",
        &folder,
    ];
    let mut options = json!({ "args": arguments });
    if !look.script {
        options["prefs"] = json!({ "profile.managed_default_content_settings.javascript": 2 });
    }
    let mut capabilities = fantoccini::wd::Capabilities::new();
    capabilities.insert("goog:chromeOptions".to_owned(), options);
    capabilities
}

async fn connect(port: u16, capabilities: &fantoccini::wd::Capabilities) -> Client {
    let url = format!("http://127.0.0.1:{port}");
    eventually("Chromium starts", Duration::from_secs(60), async || {
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities.clone());
        builder.connect(&url).await.map_err(|error| error.to_string())
    })
    .await
}
