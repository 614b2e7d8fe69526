//! The head of a request, as it was received.

/// What a signature may cover but the body.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The path as it was sent, with its escapes.
    pub path: &'a str,
    /// The query as it was sent, without its question mark; empty if there is none.
    pub query: &'a str,
    /// `:authority` of HTTP/2. Some clients sign it as `host`.
    pub authority: Option<&'a str>,
    /// The headers in their order, names in lower case.
    pub headers: &'a [(&'a str, &'a [u8])],
}

impl<'a> Head<'a> {
    /// The text of the first header of this name.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self.headers.iter().find(|(known, _)| *known == name)?;
        std::str::from_utf8(value).ok()
    }

    /// The values of a header that a signature names; `host` and `:authority` stand for each other.
    pub(super) fn values(&self, name: &str) -> Vec<&'a [u8]> {
        let authority = self.authority.map(str::as_bytes);
        let of_header = |name: &str| {
            self.headers.iter().filter(|(known, _)| *known == name).map(|(_, value)| *value).collect()
        };
        match (name, authority) {
            (":authority", Some(authority)) => vec![authority],
            (":authority", None) => of_header("host"),
            ("host", Some(authority)) if self.text("host").is_none() => vec![authority],
            _ => of_header(name),
        }
    }
}
