//! How is a provider spoken to? Over HTTPS (HTTP on loopback), bounded in time and size, following no redirect.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use oauth2::AsyncHttpClient;
use portcullis_core::identify::fetchable;
use reqwest::StatusCode;
use tokio::sync::Semaphore;

use crate::world::outside::Clients;

const CONNECT: Duration = Duration::from_secs(2);
/// A provider may take its time over a token.
pub(crate) const TOTAL: Duration = Duration::from_secs(15);
const LARGEST: usize = 512 * 1024;
/// Questions under way at all providers together.
const MOST: usize = 256;

/// The two clients, and the places for those who talk.
pub(crate) struct Http {
    clients: Clients,
    places: Semaphore,
}

/// There was no answer that means anything. Says what is wrong, never what was sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct NoAnswer(pub(crate) String);

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoAnswer {}

impl Http {
    pub(crate) fn new() -> Result<Self, String> {
        let clients = Clients::new(|client| client.connect_timeout(CONNECT).timeout(TOTAL))?;
        Ok(Self { clients, places: Semaphore::new(MOST) })
    }

    /// One question. A status of 500 and more is no answer.
    pub(crate) async fn ask(&self, question: http::Request<Vec<u8>>) -> Result<http::Response<Vec<u8>>, NoAnswer> {
        let url = question.uri().to_string();
        // Queries may hold what is nobody's business.
        let shown = url.split('?').next().unwrap_or_default().to_owned();
        let no = |why: String| NoAnswer(format!("`{shown}` {why}"));
        if !fetchable(&url) {
            return Err(no("is neither `https` nor on loopback".into()));
        }
        let _place =
            self.places.try_acquire().map_err(|_| no("is not asked: too many questions are under way".into()))?;
        let (head, body) = question.into_parts();
        let sent = self.clients.to(&url).request(head.method, &url).headers(head.headers).body(body).send().await;
        let mut answer = sent.map_err(|fault| no(why(&fault)))?;
        let status = answer.status();
        if status.is_server_error() {
            return Err(no(format!("answered {status}")));
        }
        if status.is_redirection() {
            return Err(no(format!("answered {status}, and redirects are not followed")));
        }
        let mut said = http::Response::builder().status(status);
        if let Some(headers) = said.headers_mut() {
            *headers = answer.headers().clone();
        }
        let mut whole = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(|fault| no(why(&fault)))? {
            if whole.len() + part.len() > LARGEST {
                return Err(no("answered with more than 512 KiB".into()));
            }
            whole.extend_from_slice(&part);
        }
        said.body(whole).map_err(|fault| no(fault.to_string()))
    }

    /// A document that must be there, as JSON.
    pub(crate) async fn get(&self, url: &str, bearer: Option<&str>) -> Result<Vec<u8>, NoAnswer> {
        let mut question = http::Request::get(url).header(http::header::ACCEPT, "application/json");
        if let Some(bearer) = bearer {
            question = question.header(http::header::AUTHORIZATION, format!("Bearer {bearer}"));
        }
        let question = question.body(Vec::new()).map_err(|_| NoAnswer(format!("`{url}` is no address")))?;
        let answer = self.ask(question).await?;
        if answer.status() != StatusCode::OK {
            return Err(NoAnswer(format!("`{url}` answered {}", answer.status())));
        }
        Ok(answer.into_body())
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = NoAnswer;
    type Future = BoxFuture<'c, Result<oauth2::HttpResponse, NoAnswer>>;

    fn call(&'c self, question: oauth2::HttpRequest) -> Self::Future {
        self.ask(question).boxed()
    }
}

fn why(fault: &reqwest::Error) -> String {
    if fault.is_timeout() {
        return "did not answer in time".into();
    }
    if fault.is_connect() {
        return "cannot be connected to".into();
    }
    "broke off its answer".into()
}

/// What a look at a page shows.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: StatusCode,
    pub(crate) location: Option<String>,
    pub(crate) date: Option<portcullis_core::moment::Moment>,
    /// Every `Set-Cookie`.
    pub(crate) cookies: Vec<String>,
    pub(crate) body: String,
}

impl Http {
    /// Looks at a page without following it anywhere.
    pub(crate) async fn look(&self, url: &str) -> Result<Seen, NoAnswer> {
        let answer = self.clients.to(url).get(url).send().await;
        let shown = url.split('?').next().unwrap_or_default();
        let answer = answer.map_err(|fault| NoAnswer(format!("`{shown}` {}", why(&fault))))?;
        let text = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (status, location) = (answer.status(), text(http::header::LOCATION));
        let date = text(http::header::DATE).and_then(|text| date(&text));
        let cookies = answer.headers().get_all(http::header::SET_COOKIE).iter();
        let cookies = cookies.filter_map(|line| line.to_str().ok().map(str::to_owned)).collect();
        let body = answer.text().await.unwrap_or_default();
        Ok(Seen { status, location, date, cookies, body: body.chars().take(16_384).collect() })
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7).
fn date(text: &str) -> Option<portcullis_core::moment::Moment> {
    let since = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(portcullis_core::moment::Moment::from_seconds(i64::try_from(since.as_secs()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn reads_the_dates_of_http() {
        for (text, seconds) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Tue, 29 Feb 2028 12:00:00 GMT", Some(1_835_438_400)),
            ("yesterday", None),
        ] {
            assert_eq!(date(text).map(portcullis_core::moment::Moment::seconds), seconds, "{text}");
        }
    }
}
