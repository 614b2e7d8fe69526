//! `operator crds`: the CRDs as YAML.

use std::io;
use std::path::Path;

use kube::ResourceExt;

/// One CRD as a file.
pub struct CrdFile {
    /// The file's name, such as `datastreams.kinetes.dev.yaml`.
    pub name: String,
    /// Its text: one YAML document, which holds nothing that Helm would take for a template.
    pub yaml: String,
}

/// Every CRD, in a fixed order.
///
/// # Errors
/// If a CRD cannot be written as YAML, which a test rules out.
pub fn files() -> Result<Vec<CrdFile>, serde_yaml::Error> {
    let file = |crd| {
        let yaml = serde_yaml::to_string(&crd)?;
        Ok(CrdFile { name: format!("{}.yaml", ResourceExt::name_any(&crd)), yaml })
    };
    catalog::resource::crds().into_iter().map(file).collect()
}

/// Writes one file a CRD into a folder, which must exist.
///
/// # Errors
/// If a file cannot be written.
pub fn write(folder: &Path) -> io::Result<()> {
    for file in files().map_err(io::Error::other)? {
        std::fs::write(folder.join(file.name), file.yaml)?;
    }
    Ok(())
}

/// Writes all CRDs as documents of one YAML stream.
///
/// # Errors
/// If the output cannot be written.
pub fn print(output: &mut impl io::Write) -> io::Result<()> {
    for file in files().map_err(io::Error::other)? {
        write!(output, "---\n{}", file.yaml)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest CRD that `kubectl apply` of any kind and every Argo CD take.
    const MOST_BYTES: usize = 200_000;

    #[test]
    fn checked_in_crds_are_those_of_the_program() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds/templates");
        for file in files().unwrap() {
            let path = folder.join(&file.name);
            let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
            let stale = format!(
                "{} is stale: run `cargo run -p operator -- crds --dir crds/templates`",
                path.display()
            );
            assert!(checked_in == file.yaml, "{stale}");
        }
    }

    #[test]
    fn crds_are_small_and_hold_no_template() {
        for file in files().unwrap() {
            assert!(file.yaml.len() < MOST_BYTES, "{} has {} bytes", file.name, file.yaml.len());
            assert!(!file.yaml.contains("{{"), "{}", file.name);
        }
    }
}
