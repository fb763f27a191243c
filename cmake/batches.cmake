# The checking builds (HEADRACE_SANITIZE) compile sources in batches of eight, which takes a fifth of
# the time. A file whose own names (in its anonymous namespace) are also a neighbour's is compiled
# alone: it stands here. "redefinition of" in such a build: give the new name another, or add its file.
if(HEADRACE_SANITIZE AND NOT HEADRACE_FUZZ)
  set(CMAKE_UNITY_BUILD ON)
  set(CMAKE_UNITY_BUILD_BATCH_SIZE 8)
endif()
set(HEADRACE_ALONE
  sources/walker
  decode/html_entities decode/html_tags decode/html_tokenizer decode/pdf_assemble decode/plain_text
  decode/rst decode/source_code decode/source_code_languages
  transform/sentence transform/tokenizer_config_steps transform/tokenizer_normalizer
  transform/tokenizer_regex_parser transform/tokenizer_splitter transform/wordpiece_test
  embed/model_store embed/safetensors embed/static_model
  index/columns index/document_table index/postings index/query index/row_store
  index/search_columns index/search_lists index/search_ranking index/search_test index/section_file
  index/store_backup index/store_concurrency_test index/vector_lists index/vector_lists_build index/vector_lists_test
  index/vectors
  plan/render plan/row_stream
  worker/email_headers worker/legacy_text_guess worker/odf worker/xml_reader)

# headrace_batches(files…): keeps those that stand above out of the batches.
function(headrace_batches)
  foreach(source ${ARGN})
    foreach(name ${HEADRACE_ALONE})
      if(source MATCHES "(^|/)${name}\\.cpp$")
        set_source_files_properties(${source} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
      endif()
    endforeach()
  endforeach()
endfunction()
