#!/usr/bin/env python3
"""The Kubernetes manifests, the Compose file and the Dockerfile: restricted, and of one mind."""

import pathlib
import re
import sys
import unittest

try:
    import yaml
except ImportError:
    print("SKIPPED: python3-yaml is not installed (./dev setup test installs it)")
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "docker/Dockerfile").read_text()


def manifest(name):
    return yaml.safe_load((ROOT / "k8s" / name).read_text())


def seconds(argument):
    """The value of --drain_timeout=Ns."""
    return int(re.fullmatch(r"--drain_timeout=(\d+)s", argument)[1])


class Manifests(unittest.TestCase):
    def setUp(self):
        self.deployment = manifest("deployment.yaml")
        self.pod = self.deployment["spec"]["template"]
        (self.container,) = self.pod["spec"]["containers"]
        self.service = manifest("service.yaml")
        self.image_port = int(re.search(r"^EXPOSE (\d+)$", DOCKERFILE, re.M)[1])
        self.image_user = re.search(r"^USER (\d+):(\d+)$", DOCKERFILE, re.M)

    def test_kustomization_lists_every_manifest(self):
        listed = set(manifest("kustomization.yaml")["resources"])
        there = {file.name for file in (ROOT / "k8s").glob("*.yaml")} - {"kustomization.yaml"}
        self.assertEqual(listed, there)

    def test_each_manifest_is_one_named_object_without_a_namespace(self):
        versions = {"Deployment": "apps/v1", "Service": "v1", "NetworkPolicy": "networking.k8s.io/v1"}
        for name in manifest("kustomization.yaml")["resources"]:
            with self.subTest(name):
                thing = manifest(name)
                self.assertEqual(thing["apiVersion"], versions[thing["kind"]])
                self.assertLessEqual({"apiVersion", "kind", "metadata", "spec"}, set(thing))
                self.assertRegex(thing["metadata"]["name"], r"^[a-z0-9-]+$")
                self.assertNotIn("namespace", thing["metadata"])

    def test_selectors_find_the_pod(self):
        labels = self.pod["metadata"]["labels"].items()
        policy = manifest("networkpolicy.yaml")["spec"]
        for selector in (
            self.deployment["spec"]["selector"]["matchLabels"],
            self.service["spec"]["selector"],
            policy["podSelector"]["matchLabels"],
        ):
            self.assertTrue(selector)
            self.assertLessEqual(selector.items(), labels)

    def test_one_port_from_the_image_to_the_service(self):
        (port,) = self.container["ports"]
        (service_port,) = self.service["spec"]["ports"]
        self.assertEqual(port["containerPort"], self.image_port)
        self.assertEqual(service_port["targetPort"], port["name"])
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            self.assertEqual(self.container[probe]["grpc"]["port"], self.image_port)
        self.assertIn(f"ENV ERRAND_LISTEN=0.0.0.0:{self.image_port}\n", DOCKERFILE)

    def test_the_pod_meets_the_restricted_standard(self):
        pod = self.pod["spec"]["securityContext"]
        container = self.container["securityContext"]
        self.assertIs(pod["runAsNonRoot"], True)
        self.assertEqual(pod["seccompProfile"], {"type": "RuntimeDefault"})
        self.assertIs(container["allowPrivilegeEscalation"], False)
        self.assertIs(container["readOnlyRootFilesystem"], True)
        self.assertEqual(container["capabilities"], {"drop": ["ALL"]})
        self.assertNotIn("privileged", container)
        for key in ("hostNetwork", "hostPID", "hostIPC", "volumes"):
            self.assertNotIn(key, self.pod["spec"])

    def test_the_user_is_the_image_s_own(self):
        pod = self.pod["spec"]["securityContext"]
        self.assertEqual(self.image_user.groups(), (str(pod["runAsUser"]), str(pod["runAsGroup"])))
        self.assertGreater(pod["runAsUser"], 0)

    def test_memory_is_limited(self):
        self.assertIn("memory", self.container["resources"]["limits"])
        self.assertLessEqual({"cpu", "memory"}, set(self.container["resources"]["requests"]))

    def test_kubernetes_waits_longer_than_a_drain(self):
        drain = seconds(self.container["args"][0])
        self.assertGreater(self.pod["spec"]["terminationGracePeriodSeconds"], drain)

    def test_compose_is_as_strict_and_as_patient(self):
        (service,) = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())["services"].values()
        self.assertIs(service["read_only"], True)
        self.assertEqual(service["cap_drop"], ["ALL"])
        self.assertIn("no-new-privileges:true", service["security_opt"])
        self.assertEqual(service["ports"], [f"127.0.0.1:{self.image_port}:{self.image_port}"])
        self.assertGreater(int(service["stop_grace_period"].removesuffix("s")), seconds(service["command"][0]))


if __name__ == "__main__":
    unittest.main()
