#!/usr/bin/env python3
"""Plants includes in a small tree of its own and sees which of them arrows.py finds."""

import pathlib
import tempfile
import unittest

import arrows


class Arrows(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)

    def found(self, **files):
        for name, text in files.pop("tree").items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return list(arrows.bad_includes(self.root))

    def test_an_include_against_an_arrow_is_named_with_its_line(self):
        bad = self.found(tree={"server/task/task.h": '#pragma once\n#include "server/store/task_store.h"\n'})
        self.assertEqual(
            bad,
            ['server/task/task.h:2: "server/store/task_store.h": no arrow server/task -> server/store'],
        )

    def test_an_include_along_an_arrow_is_fine(self):
        bad = self.found(tree={"server/store/task_store.h": '#include "server/task/state.h"\n#include <string>\n'})
        self.assertEqual(bad, [])

    def test_a_path_relative_to_the_file_does_not_hide_the_arrow(self):
        bad = self.found(tree={"server/io/loop.cc": '#include "../task/name.h"\n', "server/task/name.h": ""})
        self.assertEqual(bad, ['server/io/loop.cc:1: "../task/name.h": no arrow server/io -> server/task'])

    def test_one_header_may_be_open_while_its_folder_is_not(self):
        tree = {"server/handlers/lua/pool.cc": '#include "server/sandbox/wire.h"\n#include "server/sandbox/run.h"\n'}
        self.assertEqual(
            self.found(tree=tree),
            ['server/handlers/lua/pool.cc:2: "server/sandbox/run.h": no arrow server/handlers/lua -> server/sandbox'],
        )

    def test_only_the_edge_knows_grpc(self):
        bad = self.found(
            tree={
                "server/store/a.cc": "#include <grpcpp/grpcpp.h>\n",
                "server/sandbox/b.cc": '#include "errand/v1/task.pb.h"\n',
                "server/service/c.cc": '#include "errand/v1/tasks.grpc.pb.h"\n',
            }
        )
        self.assertEqual(
            bad,
            [
                'server/sandbox/b.cc:1: "errand/v1/task.pb.h": no arrow server/sandbox -> protos',
                'server/store/a.cc:1: "grpcpp/grpcpp.h": no arrow server/store -> gRPC',
            ],
        )

    def test_the_client_knows_nothing_of_the_server(self):
        bad = self.found(tree={"client/client.cc": '#include "server/task/name.h"\n'})
        self.assertEqual(bad, ['client/client.cc:1: "server/task/name.h": no arrow client -> server/task'])

    def test_a_test_may_include_what_it_mirrors_and_no_more(self):
        text = '#include "server/store/task_store.h"\n#include "server/task/state.h"\n#include "server/rpc/call.h"\n'
        bad = self.found(tree={"tests/store/memory_store_test.cc": text})
        self.assertEqual(
            bad, ['tests/store/memory_store_test.cc:3: "server/rpc/call.h": no arrow tests/store -> server/rpc']
        )

    def test_a_test_may_include_the_fixtures_of_what_it_builds_on(self):
        text = '#include "tests/store/store_fixture.h"\n'
        bad = self.found(tree={"tests/executor/a_test.cc": text, "tests/task/b_test.cc": text})
        self.assertEqual(
            bad, ['tests/task/b_test.cc:1: "tests/store/store_fixture.h": no arrow tests/task -> tests/store']
        )

    def test_a_folder_without_arrows_is_reported(self):
        bad = self.found(tree={"server/helpers/x.h": ""})
        self.assertEqual(len(bad), 1)
        self.assertIn("no layer", bad[0])


if __name__ == "__main__":
    unittest.main()
