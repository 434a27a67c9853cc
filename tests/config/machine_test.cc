#include "server/config/machine.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"

namespace errand::config {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

// A machine of 8 GiB and 8 CPUs as its files tell it, in a folder of its own.
class MachineTest : public ::testing::Test {
 protected:
  MachineTest() {
    std::filesystem::remove_all(root_);
    Write("/proc/meminfo", "MemTotal:        8388608 kB\nMemFree:         1 kB\n");
    Write("/proc/self/status", "Name:\terrandd\nCpus_allowed:\tff\nCpus_allowed_list:\t0-7\n");
  }
  ~MachineTest() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }

  const std::string root_ = absl::StrCat(::testing::TempDir(), "machine_",
                                         ::testing::UnitTest::GetInstance()->current_test_info()->name());
};

// cgroup v2 as systemd has it.
class UnifiedCgroup : public MachineTest {
 protected:
  UnifiedCgroup() {
    Write("/proc/self/cgroup", "0::/system.slice/errandd.service\n");
    Write("/proc/self/mountinfo",
          "22 20 0:5 / /dev rw,nosuid shared:2 - devtmpfs udev rw,size=1k\n"
          "31 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
  }
  const std::string top_ = "/sys/fs/cgroup";
  const std::string slice_ = top_ + "/system.slice";
  const std::string own_ = slice_ + "/errandd.service";
};

TEST_F(MachineTest, WithoutCgroupsAllOfTheMachineMayBeUsed) {
  const Machine machine = ReadMachine(root_);
  EXPECT_EQ(machine.memory_bytes, 8192 * kMiB);
  EXPECT_EQ(machine.cpus, 8);
}

TEST_F(MachineTest, OnlyCpusThatTheProcessMayRunOnCount) {
  Write("/proc/self/status", "Cpus_allowed_list:\t0-1,4,6-7\n");
  EXPECT_EQ(ReadMachine(root_).cpus, 5);
}

TEST_F(MachineTest, DescriptorsAreWhatTheSoftLimitMayBeRaisedTo) {
  Write("/proc/self/limits",
        "Limit                     Soft Limit           Hard Limit           Units     \n"
        "Max processes             1                    2                    processes \n"
        "Max open files            1024                 524288               files     \n");
  EXPECT_EQ(ReadMachine(root_).descriptors, 524288);
}

TEST_F(MachineTest, WhatCannotBeReadLimitsNothing) {
  std::filesystem::remove_all(root_);
  const Machine machine = ReadMachine(root_);
  EXPECT_GE(machine.memory_bytes, int64_t{1} << 50);
  EXPECT_EQ(machine.cpus, static_cast<int>(std::thread::hardware_concurrency()));
  EXPECT_EQ(machine.descriptors, 1024);
}

TEST_F(MachineTest, TheRealOneHasMemoryAndAtLeastOneCpu) {
  const Machine machine = ReadMachine("");
  EXPECT_GT(machine.memory_bytes, 16 * kMiB);
  EXPECT_LT(machine.memory_bytes, int64_t{1} << 50);
  EXPECT_GE(machine.cpus, 1);
  EXPECT_LE(machine.cpus, static_cast<int>(std::thread::hardware_concurrency()));
}

TEST_F(UnifiedCgroup, ItsLimitsCountWhereTheMachineHasMore) {
  Write(own_ + "/memory.max", "536870912\n");
  Write(own_ + "/cpu.max", "150000 100000\n");
  const Machine machine = ReadMachine(root_);
  EXPECT_EQ(machine.memory_bytes, 512 * kMiB);
  EXPECT_EQ(machine.cpus, 2) << "one and a half, rounded up";
}

TEST_F(UnifiedCgroup, MaxIsNoLimit) {
  Write(own_ + "/memory.max", "max\n");
  Write(own_ + "/memory.high", "max\n");
  Write(own_ + "/cpu.max", "max 100000\n");
  const Machine machine = ReadMachine(root_);
  EXPECT_EQ(machine.memory_bytes, 8192 * kMiB);
  EXPECT_EQ(machine.cpus, 8);
}

TEST_F(UnifiedCgroup, ALimitOfAGroupAboveCountsToo) {
  Write(own_ + "/memory.max", "max\n");
  Write(own_ + "/cpu.max", "800000 100000\n");
  Write(slice_ + "/memory.max", "1073741824\n");
  Write(slice_ + "/cpu.max", "300000 100000\n");
  const Machine machine = ReadMachine(root_);
  EXPECT_EQ(machine.memory_bytes, 1024 * kMiB);
  EXPECT_EQ(machine.cpus, 3);
}

TEST_F(UnifiedCgroup, WhereTheKernelThrottlesIsALimit) {
  Write(own_ + "/memory.max", "1073741824\n");
  Write(own_ + "/memory.high", "805306368\n");
  EXPECT_EQ(ReadMachine(root_).memory_bytes, 768 * kMiB);
}

TEST_F(UnifiedCgroup, AQuotaOfLessThanACpuIsOneAndNoneExceedsTheMachine) {
  Write(own_ + "/cpu.max", "10000 100000\n");
  EXPECT_EQ(ReadMachine(root_).cpus, 1);
  Write(own_ + "/cpu.max", "6400000 100000\n");
  Write(own_ + "/memory.max", "1099511627776\n");
  EXPECT_EQ(ReadMachine(root_).cpus, 8);
  EXPECT_EQ(ReadMachine(root_).memory_bytes, 8192 * kMiB);
}

TEST_F(MachineTest, InANamespaceTheContainersGroupIsTheTop) {
  Write("/proc/self/cgroup", "0::/\n");
  Write("/proc/self/mountinfo", "31 23 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
  Write("/sys/fs/cgroup/memory.max", "268435456\n");
  Write("/sys/fs/cgroup/cpu.max", "200000 100000\n");
  EXPECT_EQ(ReadMachine(root_).memory_bytes, 256 * kMiB);
  EXPECT_EQ(ReadMachine(root_).cpus, 2);
}

TEST_F(MachineTest, TheFirstVersionHasAHierarchyAController) {
  Write("/proc/self/cgroup", "9:memory:/jobs/errand\n4:cpu,cpuacct:/jobs\n0::/\n");
  Write("/proc/self/mountinfo",
        "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  Write("/sys/fs/cgroup/memory/jobs/memory.limit_in_bytes", "2147483648\n");
  Write("/sys/fs/cgroup/memory/jobs/errand/memory.limit_in_bytes", "9223372036854771712\n");
  Write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  Write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  Write("/sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_quota_us", "250000\n");
  Write("/sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_period_us", "100000\n");
  const Machine machine = ReadMachine(root_);
  EXPECT_EQ(machine.memory_bytes, 2048 * kMiB);
  EXPECT_EQ(machine.cpus, 3);
}

TEST_F(MachineTest, AMountWhoseRootIsTheContainersGroupIsReadFromThere) {
  Write("/proc/self/cgroup", "9:memory:/docker/abc\n");
  Write("/proc/self/mountinfo",
        "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
  Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "134217728\n");
  EXPECT_EQ(ReadMachine(root_).memory_bytes, 128 * kMiB);
}

}  // namespace
}  // namespace errand::config
