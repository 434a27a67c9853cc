#!/usr/bin/env python3
"""Generates code of the public API in each language that protoc knows by itself, as a user would, and looks where it goes.

usage: languages_test.py PROTOC PROTOS

For languages whose generator is a program of its own (Go, Swift) the options that it reads are looked at.
"""

import pathlib
import subprocess
import sys
import tempfile
import unittest

PROTOC, PROTOS = sys.argv[1], pathlib.Path(sys.argv[2])
OURS = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.glob("errand/**/*.proto"))


class Languages(unittest.TestCase):
    def generate(self, language, *files):
        """What is generated, by path."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        done = subprocess.run(
            [PROTOC, f"-I{PROTOS}", f"--{language}_out={directory.name}", *(files or OURS)],
            capture_output=True, text=True, check=False)
        if "Unknown flag" in done.stderr or "not found or is not executable" in done.stderr:
            self.skipTest(f"this protoc generates no {language}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("warning", done.stderr)
        root = pathlib.Path(directory.name)
        return {str(path.relative_to(root)): path.read_text(errors="replace") for path in root.rglob("*") if path.is_file()}

    def test_there_are_protos(self):
        self.assertIn("errand/v1/tasks.proto", OURS)

    def test_cpp(self):
        self.assertIn("errand/v1/tasks.pb.h", self.generate("cpp"))

    def test_python(self):
        self.assertIn("errand/v1/tasks_pb2.py", self.generate("python"))

    def test_pyi(self):
        self.assertIn("errand/v1/tasks_pb2.pyi", self.generate("pyi"))

    def test_java_has_a_file_for_each_message(self):
        files = self.generate("java")
        self.assertIn("dev/errand/v1/CreateTaskRequest.java", files)
        self.assertIn("dev/errand/v1/TasksProto.java", files)

    def test_kotlin(self):
        self.assertTrue(any(name.startswith("dev/errand/v1/") for name in self.generate("kotlin")))

    def test_csharp_has_a_namespace_as_the_language_writes_them(self):
        self.assertIn("namespace Errand.V1 {", self.generate("csharp")["Tasks.cs"])

    def test_php_has_a_namespace(self):
        self.assertIn("Errand/V1/CreateTaskRequest.php", self.generate("php"))

    def test_ruby_has_a_module(self):
        text = self.generate("ruby")["errand/v1/tasks_pb.rb"]
        self.assertIn("module Errand", text)
        self.assertIn("module V1", text)

    def test_objective_c_has_a_prefix(self):
        files = self.generate("objc")
        self.assertIn("@interface ERDCreateTaskRequest", files["errand/v1/Tasks.pbobjc.h"])

    def test_javascript(self):
        self.assertTrue(self.generate("js"))

    def test_every_file_has_the_options_that_other_generators_read(self):
        for name in OURS:
            text = (PROTOS / name).read_text()
            for option in ('go_package = "errand.dev/errand/v1;errandv1"', 'swift_prefix = "ERD"'):
                self.assertIn(f"option {option};", text, name)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
