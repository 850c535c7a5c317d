//! A browser at an address of its choice.

use std::sync::Mutex;

use reqwest::{Method, RequestBuilder, header};

use super::form::{Form, form_in};
use crate::loopback;

/// A browser that the server sees at one public address; it keeps cookies.
#[derive(Debug)]
pub struct Browser {
    ip: String,
    http: reqwest::Client,
    cookies: Mutex<Vec<(String, String)>>,
}

/// A page that came back.
#[derive(Debug, Clone)]
pub struct Page {
    /// The address that it has in the end.
    pub url: String,
    /// HTTP status.
    pub status: u16,
    /// Its headers.
    pub headers: header::HeaderMap,
    /// HTML, or whatever came.
    pub body: String,
}

impl Page {
    /// The first form that posts.
    pub fn form(&self) -> Form {
        form_in(&self.body).unwrap_or_else(|| panic!("no form in {} from {}:\n{}", self.status, self.url, self.body))
    }

    /// Whether this is in it.
    pub fn says(&self, words: &str) -> bool {
        self.body.contains(words)
    }
}

impl Browser {
    /// A browser at this address.
    pub fn at(ip: &str) -> Self {
        Self { ip: ip.to_owned(), http: loopback::client_that_stays(), cookies: Mutex::default() }
    }

    /// A browser somewhere else that somebody has copied this one's cookies to.
    pub fn copied(&self) -> Self {
        let cookies = self.cookies.lock().unwrap().clone();
        Self { cookies: Mutex::new(cookies), ..Self::at(&self.ip) }
    }

    /// Opens a link, and follows wherever it leads.
    pub async fn open(&self, url: &str) -> Page {
        let mut page = self.send(self.request(Method::GET, url)).await;
        while let Some(next) = page.headers.get(header::LOCATION).filter(|_| (300..400).contains(&page.status)) {
            let next = reqwest::Url::parse(&page.url).unwrap().join(next.to_str().unwrap()).unwrap();
            page = self.send(self.request(Method::GET, next.as_str())).await;
        }
        page
    }

    /// Opens a link and presses the button of its page, where the server may be dead or die meanwhile: then nothing comes back.
    pub async fn try_confirm(&self, url: &str) -> Option<Page> {
        let page = self.try_send(self.request(Method::GET, url)).await.ok()?;
        form_in(&page.body)?;
        self.try_send(self.submission(&page, &[])).await.ok()
    }

    /// Follows the page's link to another site.
    pub async fn follow(&self, page: &Page) -> Page {
        let (_, rest) = page.body.split_once("<a class=\"button primary\" href=\"").expect("a link");
        let (url, _) = rest.split_once('"').expect("the link's end");
        let url = reqwest::Url::parse(&page.url).unwrap().join(&url.replace("&amp;", "&")).unwrap();
        self.open(url.as_str()).await
    }

    /// Fills in the page's form (`typed` adds to its hidden fields) and presses its button.
    pub async fn submit(&self, page: &Page, typed: &[(&str, &str)]) -> Page {
        self.send(self.submission(page, typed)).await
    }

    fn submission(&self, page: &Page, typed: &[(&str, &str)]) -> RequestBuilder {
        let form = page.form();
        let url = reqwest::Url::parse(&page.url).unwrap();
        let target = form.action.as_deref().map_or_else(|| url.clone(), |action| url.join(action).unwrap());
        let typed = typed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let fields: Vec<_> = form.fields.into_iter().chain(typed).collect();
        let request = self.request(Method::POST, target.as_str()).form(&fields);
        let request = request.header("Origin", url.origin().ascii_serialization()).header("Referer", page.url.as_str());
        request.header("Sec-Fetch-Site", "same-origin").header("Sec-Fetch-Mode", "navigate")
    }

    /// Any request from this address, for the ones that no form makes.
    pub fn request(&self, method: Method, url: &str) -> RequestBuilder {
        let cookies: Vec<_> = self.cookies.lock().unwrap().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self.http.request(method, url).header("X-Forwarded-For", &self.ip);
        if cookies.is_empty() { request } else { request.header("Cookie", cookies.join("; ")) }
    }

    /// Sends it and keeps the cookies of the answer.
    pub async fn send(&self, request: RequestBuilder) -> Page {
        self.try_send(request).await.expect("the server answers a browser")
    }

    async fn try_send(&self, request: RequestBuilder) -> reqwest::Result<Page> {
        let answer = request.send().await?;
        let (url, status, headers) = (answer.url().to_string(), answer.status().as_u16(), answer.headers().clone());
        for cookie in headers.get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok()) {
            let pair = cookie.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                let mut cookies = self.cookies.lock().unwrap();
                cookies.retain(|(known, _)| known != name);
                if !cookie.contains("Max-Age=0;") {
                    cookies.push((name.to_owned(), value.to_owned()));
                }
            }
        }
        Ok(Page { url, status, headers, body: answer.text().await? })
    }
}
