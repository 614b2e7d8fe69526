# The nodes: each is a network, mount, process and host name namespace, whose first process is its kubelet.
# shellcheck shell=bash disable=SC2154 # sourced after base.sh

need_node() {
  [[ " ${nodes[*]} " == *" $1 "* ]] || fail "no such node: '$1'" "Nodes: ${nodes[*]}"
  [ -d "$state/$1" ] || fail "cluster '$name' is not up" "Type: $folder/up --name $name"
}

# node_process NODE: the process that is the first one in the node's own process namespace; fails where none runs.
node_process() {
  local process
  for process in $(ip netns pids "$(node_network "$1")" 2>/dev/null); do
    if awk '/^NSpid:/ { exit !(NF == 3 && $3 == 1) }' "/proc/$process/status" 2>/dev/null; then
      echo "$process"
      return
    fi
  done
  return 1
}

# on_node NODE COMMAND...: runs it with the node's mounts, network and processes.
on_node() {
  local process
  process=$(node_process "$1") || fail "$1 does not run" "Type: $folder/node heal --name $name $1"
  nsenter --target "$process" --mount --net --pid -- "${@:2}"
}

configure_node() {
  local home=$state/$1
  mkdir -p "$home"/{cni,containerd,kubelet,volumes} "$log/$1"
  cp "$state/pki/ca.crt" "$home/ca.crt"
  : >"$home/resolv.conf" # no names but the cluster's, whatever the machine has
  cp "$state/kubeconfig/super-admin.conf" "$home/kube-proxy.conf"
  render containerd.toml >"$home/containerd.toml"
  render pods.conflist PODS="$(node_pods "$1")" >"$home/cni/10-pods.conflist"
  render kubelet.yaml CLUSTER="$name" NODE="$1" >"$home/kubelet.yaml"
  render kube-proxy.yaml NODE="$1" KUBECONFIG=/run/node/kube-proxy.conf >"$home/kube-proxy.yaml"
}

boot_node() {
  make_cgroup "kinetes/$name/$1"
  start "$1/boot" "$(node_network "$1")" \
    unshare --pid --mount --uts --fork --kill-child --mount-proc \
    "$folder/lib/boot-node" "$1" "$(node_address "$1")" "$state/$1" "$log/$1" "$built"
}

node_is_ready() {
  [ "$(kubectl get node "$1" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}' 2>/dev/null)" = True ]
}

# The kubelet itself answers. What the API server says of a node is up to 20 s old.
node_answers() { [ "$(kubectl get --raw "/api/v1/nodes/$1/proxy/healthz" --request-timeout=5s 2>/dev/null)" = ok ]; }
