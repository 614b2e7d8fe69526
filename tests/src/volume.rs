//! The volume of a storage pod, as its node sees it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use crate::shell::run;
use crate::{Kubectl, Namespace, Process};

/// A folder of a node that is a pod's volume.
#[derive(Debug)]
pub struct Volume {
    /// The node's first process, which lives as long as the node.
    node_process: String,
    /// The folder, in that namespace.
    folder: String,
    /// The file system of its own that was put there.
    image: Option<PathBuf>,
}

impl Volume {
    /// The volume of the only claim of a namespace.
    ///
    /// # Errors
    /// If there is none yet.
    pub fn only_one_of(namespace: &Namespace) -> Result<Self> {
        let claims = namespace.list("persistentvolumeclaims", &[])?;
        let claim = claims.first().context("there is no claim")?;
        let name = claim["spec"]["volumeName"].as_str().context("the claim has no volume")?;
        let volume = Kubectl::in_namespace("default").get("persistentvolume", name)?;
        let folder = volume["spec"]["local"]["path"].as_str().context("the volume is no folder")?.to_owned();
        let terms = &volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"];
        let node = terms[0]["matchExpressions"][0]["values"][0].as_str().context("the volume has no node")?;
        let log = std::env::var("KINETES_AUDIT_LOG").context("KINETES_AUDIT_LOG is not set")?;
        let cluster = log.rsplit('/').nth(2).context("KINETES_AUDIT_LOG is not in a cluster's folder")?;
        let processes = run("ip", &["netns", "pids", &format!("kinetes-{cluster}-{node}")])?;
        let node_process = processes.lines().map(str::trim).find(|process| is_first_of_a_node(process));
        let node_process = node_process.context("the node does not run")?.to_owned();
        Ok(Self { node_process, folder, image: None })
    }

    /// The volume of the only claim of a namespace, moved onto an ext4 file system of its own of so many MiB; a new pod
    /// is ready on it.
    ///
    /// # Errors
    /// If a command on the node fails, or the pod does not come back.
    pub fn on_small_disk(namespace: &Namespace, mebibytes: u32) -> Result<Self> {
        let mut volume = Self::only_one_of(namespace)?;
        volume.move_to_small_disk(mebibytes)?;
        namespace.replace_only_pod()?;
        namespace.run(&["wait", "pods", "--all", "--for=condition=Ready", "--timeout=90s"])?;
        Ok(volume)
    }

    fn move_to_small_disk(&mut self, mebibytes: u32) -> Result<()> {
        let image = std::env::temp_dir().join(format!("kinetes-small-disk-{}", std::process::id()));
        let (file, folder) = (image.display(), &self.folder);
        self.on_node(&format!(
            "truncate --size={mebibytes}M {file} && mkfs.ext4 -q -m 0 {file} && mkdir {file}.d && \
             mount -o loop {file} {file}.d && cp -a {folder}/. {file}.d/ && \
             chown --reference={folder} {file}.d && chmod --reference={folder} {file}.d && \
             mount --bind {file}.d {folder} && umount {file}.d && rmdir {file}.d"
        ))?;
        self.image = Some(image);
        Ok(())
    }

    /// Takes all space that is left.
    ///
    /// # Errors
    /// If a command on the node fails.
    pub fn fill(&self) -> Result<()> {
        // dd ends with an error where the disk is full, as it should be.
        self.on_node(&format!(
            "dd if=/dev/zero of={}/filler bs=64k 2>/dev/null; test -s {0}/filler",
            self.folder
        ))
        .map(drop)
    }

    /// Gives it back.
    ///
    /// # Errors
    /// If a command on the node fails.
    pub fn make_room(&self) -> Result<()> {
        self.on_node(&format!("rm {}/filler", self.folder)).map(drop)
    }

    /// Removes all that is in it, but for what an empty file system has.
    ///
    /// # Errors
    /// If a command on the node fails.
    pub fn empty(&self) -> Result<()> {
        self.on_node(&format!("find {} -mindepth 1 ! -name lost+found -delete", self.folder)).map(drop)
    }

    /// The names and sizes of all its files, a line each.
    ///
    /// # Errors
    /// If a command on the node fails.
    pub fn files(&self) -> Result<String> {
        self.on_node(&format!("cd {} && find . -type f -printf '%p %s\n' | sort", self.folder))
    }

    /// Flips a bit of the first record that holds a text, in a segment; gives the segment's name.
    ///
    /// # Errors
    /// If no segment holds the text.
    pub fn flip_a_bit_of(&self, text: &str) -> Result<String> {
        let script = format!(
            "import glob,sys\nfor name in sorted(glob.glob('{}/group/logs/*/segment-*')):\n  \
             data=bytearray(open(name,'rb').read())\n  at=data.find(b'{text}')\n  if at>=0:\n    \
             data[at]^=1\n    open(name,'r+b').write(data)\n    print(name.split('/')[-1])\n    sys.exit()\n\
             sys.exit('no segment holds it')",
            self.folder
        );
        let process = &self.node_process;
        let printed = run("nsenter", &["--target", process, "--mount", "--", "python3", "-c", &script])?;
        Ok(printed.trim().to_owned())
    }

    /// Makes it look like the volume of another stream's group: gives it that one's identity.
    ///
    /// # Errors
    /// If a command on the node fails.
    pub fn take_identity_of(&self, stream_uid: &str) -> Result<()> {
        let identity = format!("{}/group/identity.json", self.folder);
        let edit = format!("s/\\(\"streamUid\": \"\\)[^\"]*/\\1{stream_uid}/");
        self.on_node(&format!("sed --in-place '{edit}' {identity} && grep -q {stream_uid} {identity}"))
            .map(drop)
    }

    /// The logs' files with their sizes and times of change, a line each.
    ///
    /// # Errors
    /// If a command on the node fails.
    pub fn log_files(&self) -> Result<String> {
        self.on_node(&format!(
            "cd {}/group/logs && find . -type f -printf '%p %s %T@\\n' | sort",
            self.folder
        ))
    }

    /// The processes that have a file of its group open for writing.
    ///
    /// # Errors
    /// If its files cannot be listed.
    pub fn writers(&self) -> Result<BTreeSet<Process>> {
        let group = format!("/proc/{}/root{}/group", self.node_process, self.folder);
        Process::writing_below(Path::new(&group))
    }

    /// Starts another process on it, on the node.
    ///
    /// # Errors
    /// If it does not start.
    pub fn second_process(&self, program: &str, stream_uid: &str, group: &str) -> Result<SecondProcess> {
        let node = ["--target", &self.node_process, "--mount", "--net", "--", program, "serve"];
        let volume = ["--data-dir", &self.folder, "--stream-uid", stream_uid, "--group", group];
        let listen = ["--listen", "127.0.0.1:17400", "--admin-listen", "127.0.0.1:17401"];
        let arguments = [&node[..], &volume, &listen].concat();
        // `nsenter` becomes the program. What it logs would count as written, were it a file.
        let child =
            Command::new("nsenter").args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok(SecondProcess { child, node_process: self.node_process.clone() })
    }

    fn on_node(&self, script: &str) -> Result<String> {
        Ok(run("nsenter", &["--target", &self.node_process, "--mount", "--", "sh", "-c", script])?)
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        if let Some(image) = &self.image {
            // Lazily: the pod may still be there. What is below was the volume before and goes with its claim.
            let _ = self.on_node(&format!("umount --lazy {}", self.folder));
            let _ = std::fs::remove_file(image);
        }
    }
}

/// A second process on a volume. It ends when this is dropped.
#[derive(Debug)]
pub struct SecondProcess {
    child: Child,
    node_process: String,
}

impl SecondProcess {
    /// The process.
    #[must_use]
    pub fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// What it says of itself.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn status(&self) -> Result<String> {
        let arguments = ["--target", &self.node_process, "--net", "--"];
        let curl = ["curl", "--silent", "--fail", "http://127.0.0.1:17400/status"];
        Ok(run("nsenter", &[&arguments[..], &curl].concat())?)
    }
}

impl Drop for SecondProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a process is the first one in a node's own process namespace. Others in its network come and go.
fn is_first_of_a_node(process: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
    numbers.split_whitespace().skip(1).eq(["1"])
}
