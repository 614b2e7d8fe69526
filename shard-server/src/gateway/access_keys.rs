//! The access keys that an endpoint verifies, and where they are written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use kinesis_wire::signature::Secret;
use serde::Deserialize;
use serde_yaml::Value;
use tokio::sync::watch;

use super::keys;

/// Access keys by their ids. Cloning shares them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AccessKeys {
    keys: Arc<BTreeMap<String, AccessKey>>,
}

/// What is known of an access key.
#[derive(Debug, PartialEq)]
pub struct AccessKey {
    /// What signs.
    pub secret: Secret,
    /// Who acts with it.
    pub principal_arn: Option<String>,
    /// The namespace that it is for. The catalog does not say the namespaces of streams: it limits nothing yet.
    pub namespace: Option<String>,
}

impl AsRef<Secret> for AccessKey {
    fn as_ref(&self) -> &Secret {
        &self.secret
    }
}

/// Where access keys are written.
#[derive(Clone, Debug)]
pub enum Source {
    /// A YAML or JSON file with all keys, by their ids.
    File(PathBuf),
    /// The folder of a mounted Secret, with a file per key that has the key's id as its name.
    Folder(PathBuf),
}

/// An access key as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    secret_key: String,
    session_token: Option<String>,
    principal_arn: Option<String>,
    namespace: Option<String>,
}

impl AccessKeys {
    /// The key of an id.
    #[must_use]
    pub fn get(&self, access_key_id: &str) -> Option<&AccessKey> {
        self.keys.get(access_key_id)
    }

    fn new(written: BTreeMap<String, Written>) -> Self {
        let keys = written.into_iter().map(|(id, key)| {
            let secret = Secret::new(key.secret_key, key.session_token);
            (id, AccessKey { secret, principal_arn: key.principal_arn, namespace: key.namespace })
        });
        Self { keys: Arc::new(keys.collect()) }
    }
}

/// The keys of a source, reread periodically. If they cannot be read, the old keys stay in force. Without a source any key
/// is accepted, which is logged.
///
/// # Errors
/// If they cannot be read now.
pub fn follow(source: Option<Source>) -> anyhow::Result<Option<watch::Receiver<AccessKeys>>> {
    let Some(source) = source else {
        tracing::warn!(
            "ANY ACCESS KEY IS ACCEPTED: signatures are not verified; keep this endpoint in a trusted network"
        );
        return Ok(None);
    };
    let receiver = keys::follow("access keys", move || source.read(), replace)?;
    tracing::info!(access_keys = receiver.borrow().keys.len(), "signatures are verified");
    if receiver.borrow().keys.values().any(|key| key.namespace.is_some()) {
        tracing::warn!(
            "EACH ACCESS KEY ACTS ON EVERY STREAM: the namespaces of access keys limit nothing yet"
        );
    }
    Ok(Some(receiver))
}

/// Keys that are as they were keep what was derived from them.
fn replace(known: &mut AccessKeys, read: AccessKeys) -> bool {
    if *known == read {
        return false;
    }
    tracing::info!(access_keys = read.keys.len(), "the access keys changed");
    *known = read;
    true
}

impl Source {
    fn read(&self) -> anyhow::Result<AccessKeys> {
        match self {
            Self::File(path) => read_file(path),
            Self::Folder(path) => read_folder(path),
        }
    }
}

fn read_file(path: &Path) -> anyhow::Result<AccessKeys> {
    let text = read_text(path)?;
    let shape: Value = parse(&text, path)?;
    let Some(entries) = shape.as_mapping().filter(|entries| !entries.is_empty()) else {
        // It may be half written.
        bail!("{} has no access key", path.display());
    };
    if let Some((id, _)) = entries.iter().find(|(_, key)| !key.is_mapping()) {
        bail!("{}, access key {}: {NO_FIELDS}", path.display(), id.as_str().unwrap_or("?"));
    }
    let written: BTreeMap<String, Written> = parse(&text, path)?;
    for (id, key) in &written {
        let entry = format!("{}, access key {id}", path.display());
        check(id, key).with_context(|| entry.clone())?;
        if key.namespace.is_some() {
            bail!("{entry}: remove `namespace`: there are none without a cluster");
        }
    }
    Ok(AccessKeys::new(written))
}

fn read_folder(folder: &Path) -> anyhow::Result<AccessKeys> {
    let mut written = BTreeMap::new();
    let context = || format!("read the access keys in {}", folder.display());
    for entry in std::fs::read_dir(folder).with_context(context)? {
        let path = entry.with_context(context)?.path();
        let id = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // The kubelet keeps versions of the Secret in folders that begin so.
        if id.starts_with("..") {
            continue;
        }
        let text = read_text(&path)?;
        if !parse::<Value>(&text, &path)?.is_mapping() {
            bail!("{}: {NO_FIELDS}", path.display());
        }
        let key: Written = parse(&text, &path)?;
        check(&id, &key).with_context(|| path.display().to_string())?;
        for (field, value) in [("principalArn", &key.principal_arn), ("namespace", &key.namespace)] {
            if value.is_none() {
                bail!("{}: missing field `{field}`", path.display());
            }
        }
        written.insert(id, key);
    }
    Ok(AccessKeys::new(written))
}

/// Of a key that is no map. The parser's own error would print what stands there, and that may be a secret.
const NO_FIELDS: &str = "it needs the field `secretKey`";

fn read_text(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("read the access keys of {}", path.display()))
}

fn parse<T: for<'de> Deserialize<'de>>(text: &str, path: &Path) -> anyhow::Result<T> {
    serde_yaml::from_str(text).with_context(|| path.display().to_string())
}

/// Refuses what no client could sign with.
fn check(id: &str, key: &Written) -> anyhow::Result<()> {
    if id.is_empty()
        || id.contains(|character: char| !character.is_ascii_graphic() || "/,=".contains(character))
    {
        bail!(
            "the id of an access key has letters, digits and few other characters, and no space, `/`, `,` or `=`"
        );
    }
    let fields = [
        ("secretKey", Some(&key.secret_key)),
        ("sessionToken", key.session_token.as_ref()),
        ("principalArn", key.principal_arn.as_ref()),
        ("namespace", key.namespace.as_ref()),
    ];
    match fields.iter().find(|(_, value)| value.is_some_and(|value| value.is_empty())) {
        Some((field, _)) => bail!("`{field}` is empty"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> anyhow::Result<AccessKeys> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials.yaml");
        std::fs::write(&path, text).unwrap();
        Source::File(path).read()
    }

    #[test]
    fn file_has_keys_in_yaml_or_json() {
        let keys =
            file("AKID1:\n  secretKey: one\nAKID2: {secretKey: two, sessionToken: t, principalArn: arn}\n");
        let keys = keys.unwrap();
        assert_eq!(keys.get("AKID1").unwrap().secret, Secret::new("one", None));
        assert_eq!(keys.get("AKID2").unwrap().secret, Secret::new("two", Some("t".into())));
        assert_eq!(keys.get("AKID2").unwrap().principal_arn.as_deref(), Some("arn"));
        assert_eq!(keys.get("AKID3"), None);
        let json = r#"{"AKID1":{"secretKey":"one"},"AKID2":{"secretKey":"two","sessionToken":"t","principalArn":"arn"}}"#;
        assert_eq!(file(json).unwrap(), keys);
        assert_ne!(file(&json.replace("two", "2")).unwrap(), keys);
    }

    #[test]
    fn error_names_file_entry_and_field() {
        for (text, words) in [
            ("", &["no access key"][..]),
            ("[", &[]),
            ("hush", &["no access key"]),
            ("AKID1: hush", &["AKID1", "it needs the field `secretKey`"]),
            ("AKID1: {}", &["AKID1", "missing field `secretKey`"]),
            ("AKID1: {secretKey: [one]}", &["AKID1.secretKey", "expected a string"]),
            ("AKID1: {secretKey: ''}", &["AKID1", "`secretKey` is empty"]),
            ("AKID1: {secretKey: a, secret: b}", &["AKID1", "unknown field `secret`"]),
            ("AKID1: {secretKey: a, namespace: b}", &["AKID1", "remove `namespace`"]),
            ("A/B: {secretKey: a}", &["A/B", "the id of an access key"]),
        ] {
            let error = format!("{:#}", file(text).unwrap_err());
            assert!(error.contains("credentials.yaml"), "{error}");
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
            assert!(!error.contains("hush"), "{error}");
        }
        let absent = Source::File("/absent/file".into()).read().unwrap_err();
        assert!(format!("{absent:#}").contains("/absent/file"), "{absent:#}");
    }

    #[test]
    fn folder_has_a_file_per_key() {
        let folder = tempfile::tempdir().unwrap();
        let source = Source::Folder(folder.path().to_owned());
        assert_eq!(source.read().unwrap(), AccessKeys::default());
        std::fs::create_dir(folder.path().join("..data")).unwrap();
        let write = |text: &str| std::fs::write(folder.path().join("AKID1"), text).unwrap();
        write("{secretKey: one, principalArn: arn, namespace: payments}");
        let keys = source.read().unwrap();
        assert_eq!(keys.get("AKID1").unwrap().namespace.as_deref(), Some("payments"));
        for (text, words) in [
            ("{secretKey: one, principalArn: arn}", "missing field `namespace`"),
            ("{secretKey: one, namespace: payments}", "missing field `principalArn`"),
            ("{principalArn: arn, namespace: payments}", "missing field `secretKey`"),
            ("{secretKey: '', principalArn: arn, namespace: payments}", "`secretKey` is empty"),
            ("hush", "it needs the field `secretKey`"),
        ] {
            write(text);
            let error = format!("{:#}", source.read().unwrap_err());
            assert!(error.contains("AKID1") && error.contains(words), "{error}");
            assert!(!error.contains("hush"), "{error}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn changed_keys_replace_the_known_ones_and_broken_ones_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        write("AKID0: {secretKey: zero}");
        let mut receiver = follow(Some(Source::File(path.clone()))).unwrap().unwrap();
        assert!(receiver.borrow().get("AKID1").is_none());
        write("AKID1: {secretKey: one}");
        receiver.changed().await.unwrap();
        assert!(receiver.borrow_and_update().get("AKID1").is_some());
        write("broken");
        tokio::time::sleep(10 * keys::PERIOD).await;
        assert!(!receiver.has_changed().unwrap());
        write("AKID2: {secretKey: one}");
        receiver.changed().await.unwrap();
        assert!(receiver.borrow().get("AKID1").is_none());
    }
}
