# Where the cluster's own programs and images are built to.
# shellcheck shell=bash disable=SC2034,SC2154 # sourced after base.sh

# The folder for what the sources of today give. It holds bin/, images/ and version, or does not exist.
built_folder() {
  local key
  key=$(cat "$folder"/binaries/* "$folder/build" "$folder/../../images/pack" | sha256sum | cut -c 1-16)
  echo "$cache/cluster/$key"
}

need_programs() {
  need_root
  need_commands containerd ctr runc etcd iptables ip nsenter unshare flock jq /usr/lib/cni/ptp
  need_cgroups
}

# Fails where the cluster is not up; else `built` is the folder its programs run from.
need_cluster() {
  need_root
  [ -L "$state/built" ] || fail "cluster '$name' is not up" "Type: $folder/up --name $name"
  built=$(readlink "$state/built")
}
