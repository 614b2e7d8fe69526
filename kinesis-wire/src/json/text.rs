//! Text as JSON has it.

use std::borrow::Cow;

use serde::Deserialize;

/// A text, borrowed from the body where it has no escapes (some clients escape `/` inside base64).
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);
