//! The chart, installed once for all scenarios.

use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::shell::{Failed, run};
use crate::{Kubectl, Namespace, until};

/// The Helm release of the scenarios.
pub const RELEASE: &str = "kinetes";
/// The namespace that it is installed in.
pub const NAMESPACE: &str = "kinetes-system";
/// How often the operator looks at a stream that nothing happened to, in seconds.
const REQUEUE_SECONDS: u64 = 10;

static INSTALLED: Mutex<bool> = Mutex::new(false);

/// An installed chart.
#[derive(Clone, Debug)]
pub struct Installation {
    kubectl: Kubectl,
}

impl Installation {
    /// Installs the chart of the checkout with Helm, or upgrades to it, unless an earlier scenario did.
    ///
    /// # Errors
    /// If Helm fails or a pod of it does not get ready.
    pub fn get() -> Result<Self> {
        let kubectl = Kubectl::in_namespace(NAMESPACE);
        let mut installed = INSTALLED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !*installed {
            if kubectl.run(&["get", "namespace", NAMESPACE]).is_err() {
                Namespace::create(NAMESPACE)?;
            }
            let requeue = format!("operator.requeueSeconds={REQUEUE_SECONDS}");
            run(
                "helm",
                &[
                    "upgrade",
                    "--install",
                    RELEASE,
                    "charts/kinetes",
                    "--namespace",
                    NAMESPACE,
                    "--set",
                    &requeue,
                    "--wait",
                    "--timeout",
                    "120s",
                ],
            )?;
            *installed = true;
        }
        Ok(Self { kubectl })
    }

    /// `kubectl` in the installation's namespace.
    #[must_use]
    pub fn kubectl(&self) -> &Kubectl {
        &self.kubectl
    }

    /// The gateway Service's URL, as an application in the cluster writes it.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{RELEASE}-gateway.{NAMESPACE}.svc.cluster.local:4567")
    }

    /// `aws kinesis` with these arguments, at the gateway Service.
    ///
    /// # Errors
    /// If the AWS CLI ends with another code than 0.
    pub fn kinesis(&self, arguments: &[&str]) -> Result<String, Failed> {
        let aws = std::env::var("KINETES_PYTHON").unwrap_or_default() + "/bin/aws";
        let endpoint = self.endpoint();
        let any_key = ["AWS_ACCESS_KEY_ID=any", "AWS_SECRET_ACCESS_KEY=any", "AWS_DEFAULT_REGION=us-east-1"];
        let command = [&aws, "--endpoint-url", &endpoint, "kinesis"];
        run("env", &[&any_key, &command[..], arguments].concat())
    }

    /// The name by which the audit log knows the operator.
    #[must_use]
    pub fn operator_user(&self) -> String {
        format!("system:serviceaccount:{NAMESPACE}:{RELEASE}-operator")
    }

    /// Waits until the operator has looked so many times as often as there are streams: it looks at each once in a
    /// period while nothing happens.
    ///
    /// # Errors
    /// If it does not look.
    pub fn wait_for_looks(&self, rounds: u32) -> Result<()> {
        let streams = self.kubectl.list("dstream", &["--all-namespaces"])?.len() as u64;
        let begin = self.looks()?;
        let limit = Duration::from_secs(60 + u64::from(rounds) * REQUEUE_SECONDS);
        until("the operator looks", limit, || {
            Ok((self.looks()? >= begin + u64::from(rounds) * streams).then_some(()))
        })
    }

    /// How often the operator has looked at a stream, as it counts itself.
    fn looks(&self) -> Result<u64> {
        let mut looks = 0;
        for pod in self.kubectl.list("pods", &["--selector", "app.kubernetes.io/component=operator"])? {
            let ip = pod["status"]["podIP"].as_str().context("the operator has no IP")?;
            let metrics = run("curl", &["--silent", "--fail", &format!("http://{ip}:7401/metrics")])?;
            let counts = metrics.lines().filter(|line| line.starts_with("kinetes_reconciles_total{"));
            for count in counts.filter_map(|line| line.rsplit(' ').next()) {
                looks += count.parse::<u64>()?;
            }
        }
        Ok(looks)
    }

    /// Scales a Deployment of the chart (`operator`, `gateway`) and waits until it has that many ready pods and no
    /// other.
    ///
    /// # Errors
    /// If they do not come or go in time.
    pub fn scale(&self, component: &str, replicas: u32) -> Result<()> {
        let deployment = format!("deployment/{RELEASE}-{component}");
        self.kubectl.run(&["scale", &deployment, &format!("--replicas={replicas}")])?;
        self.kubectl.run(&["rollout", "status", &deployment, "--timeout=120s"])?;
        let selector = format!("app.kubernetes.io/component={component}");
        until(&format!("{replicas} pods of {deployment}"), Duration::from_secs(60), || {
            let pods = self.kubectl.list("pods", &["--selector", &selector])?;
            Ok((pods.len() == replicas as usize).then_some(()))
        })
    }
}
