// The commands of the executable: each add_…_command() declares options and examples and sets what
// runs. main.cpp parses, runs the chosen one and turns its Result into an exit code.
//
// Exit codes: 0 done, 1 the data says no, 2 wrong use, 130 interrupted.
#pragma once

#include <CLI/CLI.hpp>

#include <functional>
#include <memory>

#include "base/result.h"
#include "runtime/cancel.h"

namespace headrace::cli {

// Set by Ctrl-C.
CancelToken& interrupt();

// This command writes nothing: the first Ctrl-C ends it, whatever it is doing.
void only_reads();

// What the parsed command does; returns the exit code.
using Action = std::function<Result<int>()>;

struct Invocation {
  bool json = false;
  Action action;
};

void add_index_command(CLI::App& app, Invocation& invocation);
void add_search_command(CLI::App& app, Invocation& invocation);
void add_knowledge_commands(CLI::App& app, Invocation& invocation);  // info verify errors …
void add_space_command(CLI::App& app, Invocation& invocation);
void add_export_command(CLI::App& app, Invocation& invocation);
void add_model_commands(CLI::App& app, Invocation& invocation);  // embed tokenize models
void add_completion_command(CLI::App& app, Invocation& invocation);

// One line on stdout; an error when stdout is closed or full.
Status print_line(const std::string& line);

}  // namespace headrace::cli
