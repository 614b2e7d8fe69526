//! No bit of what is signed can be changed.

use crate::request::{IN_HEADER, IN_QUERY, Request, Signing, TOKEN, list_streams};

/// Every text that differs from this one by a bit. What HTTP would not carry as text is left out.
fn changed_texts(text: &str) -> impl Iterator<Item = String> {
    changed(text.as_bytes()).filter_map(|bytes| String::from_utf8(bytes).ok())
}

fn changed(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let bytes = bytes.to_vec();
    (0..8 * bytes.len()).map(move |bit| {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        changed
    })
}

fn changed_requests(request: &Request) -> Vec<Request> {
    let mut all = Vec::new();
    all.extend(changed_texts(&request.method).map(|method| Request { method, ..request.clone() }));
    all.extend(changed_texts(&request.path).map(|path| Request { path, ..request.clone() }));
    all.extend(changed_texts(&request.query).map(|query| Request { query, ..request.clone() }));
    all.extend(changed(&request.body).map(|body| Request { body, ..request.clone() }));
    let authority = request.authority.iter().flat_map(|authority| changed_texts(authority));
    all.extend(authority.map(|authority| Request { authority: Some(authority), ..request.clone() }));
    for (index, (name, value)) in request.headers.iter().enumerate() {
        let with = |header: (String, Vec<u8>)| {
            let mut request = request.clone();
            request.headers[index] = header;
            request
        };
        // Capitals in a name are no change.
        let names = changed_texts(name).filter(|changed| changed.to_ascii_lowercase() != *name);
        all.extend(names.map(|name| with((name, value.clone()))));
        all.extend(changed(value).map(|value| with((name.clone(), value))));
    }
    all
}

/// Whether two queries are the same but for capitals in escapes, which are no change.
fn is_same_query(query: &str, other: &str) -> bool {
    let escapes_in_capitals = |query: &str| {
        let mut bytes = query.as_bytes().to_vec();
        for at in 0..bytes.len().saturating_sub(2) {
            if bytes[at] == b'%' {
                bytes[at + 1..at + 3].make_ascii_uppercase();
            }
        }
        bytes
    };
    escapes_in_capitals(query) == escapes_in_capitals(other)
}

#[test]
fn request_with_any_changed_bit_is_refused() {
    let request = list_streams("/a%20path/x", "a=%C3%A9&b=").with("x-amz-meta", "one two");
    let hashed_with_token = Signing { token: Some(TOKEN), hashed: true, ..IN_HEADER };
    let over_http2 = request.clone().sign(IN_HEADER).without("host");
    let over_http2 = Request { authority: Some("localhost:4567".into()), ..over_http2 };
    for (request, has_token) in [
        (request.clone().sign(hashed_with_token), true),
        (over_http2, false),
        (request.clone().sign(Signing { token: Some(TOKEN), ..IN_QUERY }), true),
    ] {
        let judge = |request: &Request| {
            if has_token { request.judge_with_token() } else { request.judge() }
        };
        judge(&request).unwrap();
        let changed = changed_requests(&request);
        assert!(changed.len() > 3_000, "{}", changed.len());
        for changed in changed {
            let is_same = changed.query != request.query && is_same_query(&changed.query, &request.query);
            assert_eq!(judge(&changed).is_ok(), is_same, "{changed:?}");
        }
    }
}
