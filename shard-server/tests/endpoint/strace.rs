//! What strace (`-f -y`) says: the system calls of a process, in order.

/// A system call. A call that began on a later line than another one returned on came after it.
pub struct Call {
    /// `name(arguments`, as far as they are known when it begins: of a write all, of an open none of its result.
    pub text: String,
    /// What it gave: a number, a descriptor with its path, or -1 with the error.
    pub result: String,
    /// The line on which it begins.
    pub begun: usize,
    /// The line on which it returned.
    pub returned: usize,
}

impl Call {
    /// The name.
    pub fn name(&self) -> &str {
        self.text.split('(').next().unwrap()
    }

    /// The descriptor that it is about, its first argument.
    pub fn descriptor(&self) -> &str {
        self.text[self.name().len() + 1..].split(['<', ',', ')']).next().unwrap()
    }

    /// The path that its descriptor had as it began.
    pub fn path(&self) -> &str {
        let behind = self.text.split_once('<').unwrap_or_default().1;
        behind.split('>').next().unwrap()
    }

    /// Its last argument.
    pub fn last_argument(&self) -> &str {
        self.text.rsplit(", ").next().unwrap()
    }

    /// Whether it did what it was asked for.
    pub fn is_done(&self) -> bool {
        !self.result.starts_with('-') && !self.result.starts_with('?')
    }
}

/// Reads a trace: a line a call, or two where another thread came between.
pub fn calls(trace: &str) -> Vec<Call> {
    let mut under_way = std::collections::HashMap::new();
    let mut calls = Vec::new();
    for (number, line) in trace.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(' ').map(|(thread, rest)| (thread, rest.trim_start()))
        else {
            continue;
        };
        if let Some(text) = rest.strip_suffix(" <unfinished ...>") {
            under_way.insert(thread, (number, text));
            continue;
        }
        let Some((text, result)) = rest.rsplit_once(" = ") else { continue };
        let text = text.trim_end().trim_end_matches(')');
        let (begun, text) = match text.strip_prefix("<... ") {
            Some(_) => under_way.remove(thread).expect("a call begins before it returns"),
            None => (number, text),
        };
        calls.push(Call { text: text.to_owned(), result: result.to_owned(), begun, returned: number });
    }
    calls
}
