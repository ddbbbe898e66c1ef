"""Checks that what one manifest names is there in the others.

    manifests.py BUILT.yaml...    each as `kustomize build` prints it

The schemas of Kubernetes know what a field may hold, not what it points at.
"""

import sys

import yaml


def pod_of(document):
    return document["spec"]["template"] if document["kind"] in ("Deployment", "Job") else None


def selects(selector, labels):
    wanted = selector.get("matchLabels", {}).items()
    among = selector.get("matchExpressions", [])
    return all(labels.get(key) == value for key, value in wanted) and all(
        labels.get(rule["key"]) in rule["values"] for rule in among
    )


def ports_of(pod):
    return {port["name"] for port in pod["spec"]["containers"][0].get("ports", [])}


def pod_faults(pod, documents):
    """A pod is restricted, its probes ask a port that it has, its volumes exist."""
    spec, container = pod["spec"], pod["spec"]["containers"][0]
    security = container["securityContext"]
    if not (
        spec["securityContext"]["runAsNonRoot"]
        and security["readOnlyRootFilesystem"]
        and security["capabilities"]["drop"] == ["ALL"]
        and not spec["automountServiceAccountToken"]
    ):
        yield "it is not restricted"
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        port = container.get(probe, {}).get("httpGet", {}).get("port")
        if port is not None and port not in ports_of(pod):
            yield f"{probe} asks the port {port}, which it has not"
    names = {(document["kind"], document["metadata"]["name"]) for document in documents}
    volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
    for volume in volumes.values():
        source = ("ConfigMap", volume["configMap"]["name"]) if "configMap" in volume else None
        source = ("Secret", volume["secret"]["secretName"]) if "secret" in volume else source
        if "emptyDir" not in volume and source not in names:
            yield f"the volume {volume['name']} is of {source}, which is not there"
    for mount in container.get("volumeMounts", []):
        if mount["name"] not in volumes:
            yield f"it mounts {mount['name']}, which is no volume"


def faults(documents):
    pods = [(document, pod_of(document)) for document in documents if pod_of(document)]
    deployments = [(document, pod) for document, pod in pods if document["kind"] == "Deployment"]

    def selected(selector):
        return [pod for _, pod in pods if selects(selector, pod["metadata"]["labels"])]

    for document, pod in pods:
        for fault in pod_faults(pod, documents):
            yield document, fault
    for document, pod in deployments:
        if selected(document["spec"]["selector"]) != [pod]:
            yield document, "its selector is not of its own pods alone"
        if pod["spec"]["terminationGracePeriodSeconds"] < 30:
            yield document, "SIGTERM takes up to 25 s, it is given less than 30"
    for document in documents:
        kind, spec = document["kind"], document.get("spec", {})
        if kind == "Service":
            found = selected({"matchLabels": spec["selector"]})
            wanted = {port["targetPort"] for port in spec["ports"]}
            if len(found) != 1 or not wanted <= ports_of(found[0]):
                yield document, f"not one kind of pods has its ports {wanted}"
        if kind == "PodDisruptionBudget" and len(selected(spec["selector"])) != 1:
            yield document, "its selector is not of one kind of pods"
        if kind == "NetworkPolicy":
            found = selected(spec["podSelector"])
            wanted = {port["port"] for rule in spec.get("ingress", []) for port in rule["ports"]}
            if not found or not all(any(name in ports_of(pod) for pod in found) for name in wanted):
                yield document, f"no pod that it selects has its ports {wanted}"


def main():
    is_right = True
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            documents = list(yaml.safe_load_all(file))
        for document, fault in faults(documents):
            print(f"{path}: {document['kind']} {document['metadata']['name']}: {fault}", file=sys.stderr)
            is_right = False
    return 0 if is_right else 1


sys.exit(main())
