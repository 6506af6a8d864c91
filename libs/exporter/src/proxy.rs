//! Which proxy a connection goes through.

use std::{fmt, net::IpAddr};

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

/// The proxies of an exporter.
pub(crate) struct Proxies {
    matcher: Matcher,
    /// Named in the configuration: for all backends, this machine's own as well.
    named: bool,
    /// Go through tunnels only, and ask for the proxy of `https` whatever the backend speaks, as gRPC
    /// does.
    tunnels: bool,
}

/// A proxy on the way to a backend.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Proxy {
    pub(crate) uri: Uri,
    pub(crate) way: Way,
}

/// How a proxy is spoken to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Way {
    /// It gets the request and passes it on.
    Forward(Option<HeaderValue>),
    /// It makes a connection, and does not look into it.
    Tunnel(Option<HeaderValue>),
    /// The same by SOCKS 5, with user and password; the name is resolved here or there.
    Socks { login: Option<(String, String)>, local_dns: bool },
}

impl Proxies {
    /// Those that the environment names: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, or
    /// the same in lower case.
    pub(crate) fn of_environment(variable: impl Fn(&str) -> Option<String>, tunnels: bool) -> Self {
        let either = |name: &str| {
            let set = |name: &str| variable(name).filter(|value| !value.is_empty());
            set(name).or_else(|| set(&name.to_ascii_lowercase())).unwrap_or_default()
        };
        let mut builder = Matcher::builder()
            .all(either("ALL_PROXY"))
            .https(either("HTTPS_PROXY"))
            .no(either("NO_PROXY"));
        // Where requests of others become variables, `Proxy:` in one would become this.
        if variable("REQUEST_METHOD").is_none() {
            builder = builder.http(either("HTTP_PROXY"));
        }
        Self { matcher: builder.build(), named: false, tunnels }
    }

    /// The one with this URL.
    ///
    /// # Errors
    /// When it is not the URL of a proxy. The message does not hold it: it may hold a password.
    pub(crate) fn named(url: &str) -> Result<Self, &'static str> {
        let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        if !scheme.is_some_and(|scheme| SCHEMES.contains(&scheme.as_str())) {
            return Err("is not the URL of a proxy");
        }
        let proxies =
            Self { matcher: Matcher::builder().all(url).build(), named: true, tunnels: false };
        match proxies.of(&Uri::from_static("http://backend.invalid")) {
            Some(proxy) if proxy.uri.host().is_some_and(|host| !host.is_empty()) => Ok(proxies),
            _ => Err("is not the URL of a proxy"),
        }
    }

    /// The proxy on the way to `backend`; none to go there directly.
    pub(crate) fn of(&self, backend: &Uri) -> Option<Proxy> {
        if !self.named && is_this_machine(backend.host()?) {
            return None;
        }
        let found = if self.tunnels {
            let mut parts = backend.clone().into_parts();
            parts.scheme = Some(http::uri::Scheme::HTTPS);
            self.matcher.intercept(&Uri::from_parts(parts).ok()?)?
        } else {
            self.matcher.intercept(backend)?
        };
        let forwards = !self.tunnels && backend.scheme_str() == Some("http");
        Some(Proxy { uri: found.uri().clone(), way: way(&found, forwards) })
    }

    /// What a request to `backend` that a proxy passes on tells it about who sends.
    pub(crate) fn authorization(&self, backend: &Uri) -> Option<HeaderValue> {
        match self.of(backend)?.way {
            Way::Forward(login) => login,
            Way::Tunnel(_) | Way::Socks { .. } => None,
        }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        write!(f, "{}://{authority}", self.uri.scheme_str().unwrap_or("http"))
    }
}

const SCHEMES: [&str; 4] = ["http", "https", "socks5", "socks5h"];

fn way(found: &Intercept, forwards: bool) -> Way {
    match found.uri().scheme_str() {
        Some(scheme) if scheme.starts_with("socks") => Way::Socks {
            login: found.raw_auth().map(|(user, password)| (user.to_owned(), password.to_owned())),
            local_dns: !scheme.ends_with('h'),
        },
        _ if forwards => Way::Forward(found.basic_auth().cloned()),
        _ => Way::Tunnel(found.basic_auth().cloned()),
    }
}

/// What the environment says of proxies is not about backends on this machine.
fn is_this_machine(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)], tunnels: bool, backend: &str) -> Option<(String, Way)> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let proxy = Proxies::of_environment(variable, tunnels).of(&backend.parse().unwrap());
        proxy.map(|proxy| (proxy.to_string(), proxy.way))
    }

    #[test]
    fn the_environment_says_which_proxy() {
        let (http, https) = (("HTTP_PROXY", "http://a:1"), ("HTTPS_PROXY", "b:2"));
        let both = [http, https, ("NO_PROXY", "near.test,10.0.0.0/8")];
        let forward = |proxy: &str| Some((proxy.to_owned(), Way::Forward(None)));
        let tunnel = |proxy: &str| Some((proxy.to_owned(), Way::Tunnel(None)));
        assert_eq!(of(&both, false, "http://far.test:4318"), forward("http://a:1"));
        assert_eq!(of(&both, false, "https://far.test:4318"), tunnel("http://b:2"));
        // As gRPC does.
        assert_eq!(of(&both, true, "http://far.test:4317"), tunnel("http://b:2"));
        assert_eq!(of(&[http], true, "http://far.test:4317"), None);
        for near in ["http://near.test:1", "http://a.near.test:1", "http://10.1.2.3:1"] {
            assert_eq!(of(&both, false, near), None);
        }
        for own in ["http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1"] {
            assert_eq!(of(&both, true, own), None);
        }
        let lower = [("https_proxy", "http://c:3")];
        assert_eq!(of(&lower, true, "https://far.test:1"), tunnel("http://c:3"));
        let all = [("ALL_PROXY", "socks5h://d:4"), ("HTTPS_PROXY", "")];
        let socks = Way::Socks { login: None, local_dns: false };
        assert_eq!(of(&all, true, "https://far.test:1"), Some(("socks5h://d:4".to_owned(), socks)));
        assert_eq!(of(&[("REQUEST_METHOD", "GET"), http], false, "http://far.test:1"), None);
    }

    #[test]
    fn a_named_proxy_is_for_every_backend_and_keeps_its_password() {
        let proxies = Proxies::named("http://me:hunter2@proxy.test:3128").unwrap();
        let proxy = proxies.of(&Uri::from_static("http://localhost:4318")).unwrap();
        assert_eq!(proxy.to_string(), "http://proxy.test:3128");
        assert!(
            !format!("{proxy:?}").contains("hunter2") && !format!("{proxy:?}").contains("bWU6")
        );
        let login = proxies.authorization(&Uri::from_static("http://localhost:4318")).unwrap();
        assert_eq!(login, "Basic bWU6aHVudGVyMg==");
        for wrong in ["proxy:3128", "ftp://proxy:1", "http://", "", "http:// :1"] {
            assert!(Proxies::named(wrong).is_err(), "{wrong}");
        }
    }
}
