# Whether a cluster is what `up` promises. Sourced after base.sh.
# shellcheck shell=bash disable=SC2154

# Why the cluster is not healthy, in a line; nothing where it is.
unhealthy() {
  if [ -z "$(remains)" ]; then
    echo "it is not up"
  elif [ ! -f "$state/ready" ]; then
    echo "its start was not finished"
  elif [ ! -d "$built" ]; then
    echo "its programs are gone: $built"
  elif ! kubectl get --raw /readyz --request-timeout=20s >/dev/null 2>&1; then
    echo "its API server does not answer"
  elif ! addons_are_ready; then
    echo "CoreDNS or local-path-provisioner is not available"
  else
    unhealthy_node
  fi
}

unhealthy_node() {
  local node
  for node in "${nodes[@]}"; do
    if ! node_process "$node" >/dev/null; then
      echo "$node does not run"
      return
    elif ! node_is_ready "$node"; then
      echo "$node is not Ready"
      return
    fi
  done
}
