//! The checks that need no body, in the order of AWS. Who makes them first need not receive a body in vain.

use super::{Envelope, PLAIN_JSON, Reply};

impl Envelope<'_> {
    /// Checks what the head decides alone. `is_empty`: the request has no body.
    ///
    /// # Errors
    /// The answer to give at once: the request is a CORS preflight, no POST, or of a content type that has no operations.
    pub fn judge_head(&self, is_empty: bool) -> Result<(), Reply> {
        if self.method == "OPTIONS" && self.origin.is_some() {
            return Err(self.preflight());
        }
        if self.method != "POST" {
            return Err(self.access_denied());
        }
        let is_known = self.known_encoding().is_some() || self.media_type() == PLAIN_JSON;
        match self.target {
            _ if is_empty || is_known => Ok(()),
            Some(_) => Err(self.unknown_content_type()),
            // Without a target AWS cannot even say whom it would have to ask.
            None => Err(self.access_denied()),
        }
    }
}
