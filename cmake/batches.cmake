# The checking builds (HEADRACE_SANITIZE) compile sources in batches, which takes a fifth of the time.
# batches.py sorts the files so that none meets another that has the same names of its own.
if(HEADRACE_SANITIZE AND NOT HEADRACE_FUZZ)
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  set(CMAKE_UNITY_BUILD ON)
endif()

# headrace_batches(target files…)
function(headrace_batches target)
  if(NOT CMAKE_UNITY_BUILD)
    return()
  endif()
  set_target_properties(${target} PROPERTIES UNITY_BUILD_MODE GROUP)
  execute_process(COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/cmake/batches.py ${ARGN}
    OUTPUT_VARIABLE lines COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^;\n]+" fields "${lines}")
  while(fields)
    list(POP_FRONT fields batch source)
    set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${target}_${batch})
  endwhile()
endfunction()
