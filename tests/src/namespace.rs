//! A namespace for one scenario.

use std::ops::Deref;

use crate::Kubectl;
use crate::shell::Failed;

/// A namespace that enforces the restricted Pod Security Standard, with `kubectl` in it.
#[derive(Debug)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    kubectl: Kubectl,
}

impl Namespace {
    /// Makes it.
    ///
    /// # Errors
    /// If there is one of this name already.
    pub fn create(name: &str) -> Result<Self, Failed> {
        let kubectl = Kubectl::in_namespace(name);
        kubectl.run(&["create", "namespace", name])?;
        kubectl.run(&["label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted"])?;
        // What every namespace gets by itself is there from the start for whoever compares.
        kubectl.run(&["wait", "configmap/kube-root-ca.crt", "--for=create", "--timeout=60s"])?;
        Ok(Self { name: name.into(), kubectl })
    }
}

impl Deref for Namespace {
    type Target = Kubectl;

    fn deref(&self) -> &Kubectl {
        &self.kubectl
    }
}
