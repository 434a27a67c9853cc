# Installs what was built into a directory of its own, builds a user's project against that alone, and runs it.
#   cmake -DBUILD_DIR=... -DWORK_DIR=... -DCOMPILER=... -DFLAGS=... -DLAUNCHER=... -P install_test.cmake
function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY OUTPUT_VARIABLE output)
  set(output "${output}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE ${WORK_DIR}/prefix ${WORK_DIR}/build)
run(${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${WORK_DIR}/prefix --component client)

foreach(file bin/errand include/errand/client.h include/errand/v1/tasks.pb.h
             share/errand/protos/errand/v1/task.proto share/errand/protos/google/rpc/status.proto)
  if(NOT EXISTS ${WORK_DIR}/prefix/${file})
    message(FATAL_ERROR "${file} was not installed")
  endif()
endforeach()
run(${WORK_DIR}/prefix/bin/errand --version)

run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${WORK_DIR}/build -G Ninja
    -DCMAKE_PREFIX_PATH=${WORK_DIR}/prefix -DCMAKE_CXX_COMPILER=${COMPILER} "-DCMAKE_CXX_FLAGS=${FLAGS}"
    "-DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER}")
run(${CMAKE_COMMAND} --build ${WORK_DIR}/build)
run(${WORK_DIR}/build/consumer 127.0.0.1:1)
if(NOT output STREQUAL "unavailable\n")
  message(FATAL_ERROR "the consumer printed: ${output}")
endif()
