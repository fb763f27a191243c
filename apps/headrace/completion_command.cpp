#include <fmt/format.h>

#include <algorithm>

#include "commands.h"

namespace headrace::cli {

namespace {

// What may follow: its own commands, and its options.
std::string words_of(const CLI::App& app) {
  std::string words;
  for (const CLI::App* command : app.get_subcommands({})) words += " " + command->get_name();
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) words += " --" + name;
    for (const std::string& name : option->get_snames()) words += " -" + name;
  }
  return words;
}

// The words that an option takes, where it takes only those: CLI11 shows them as "TEXT:{a,b}".
std::string values_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t begin = type.find(":{");
  const size_t end = type.find('}', begin == std::string::npos ? 0 : begin);
  if (begin == std::string::npos || end == std::string::npos) return {};
  std::string values = type.substr(begin + 2, end - begin - 2);
  std::replace(values.begin(), values.end(), ',', ' ');
  return values;
}

std::string bash_script(const CLI::App& app) {
  std::string cases;
  std::string values;
  std::string seconds;
  for (const CLI::App* command : app.get_subcommands({})) {
    if (!command->get_subcommands({}).empty())
      seconds += fmt::format("|2:{}:*", command->get_name());
    cases += fmt::format("    {}) words=\"{}\" ;;\n", command->get_name(), words_of(*command));
    for (const CLI::Option* option : command->get_options()) {
      const std::string known = values_of(*option);
      if (known.empty() || option->get_lnames().empty()) continue;
      values += fmt::format(
          "    {}:--{}) COMPREPLY=( $(compgen -W \"{}\" -- \"$current\") ); return ;;\n",
          command->get_name(), option->get_lnames()[0], known);
    }
  }
  return fmt::format(
      "_headrace() {{\n"
      "  local current=\"${{COMP_WORDS[COMP_CWORD]}}\" words=\"{}\"\n"
      "  if [ \"$COMP_CWORD\" -gt 1 ]; then\n"
      "    case \"${{COMP_WORDS[1]}}:${{COMP_WORDS[COMP_CWORD-1]}}\" in\n{}    esac\n"
      "    case \"${{COMP_WORDS[1]}}\" in\n{}    esac\n"
      "    case \"$COMP_CWORD:${{COMP_WORDS[1]}}:$current\" in\n"
      "    *:-*{}) ;;\n"
      "    *) COMPREPLY=( $(compgen -f -- \"$current\") ); return ;;\n"
      "    esac\n"
      "  fi\n"
      "  COMPREPLY=( $(compgen -W \"$words\" -- \"$current\") )\n"
      "}}\n"
      "complete -o filenames -F _headrace headrace\n",
      words_of(app), values, cases, seconds);
}

std::string zsh_script(const CLI::App& app) {
  return "autoload -U +X bashcompinit && bashcompinit\n" + bash_script(app);
}

std::string fish_script(const CLI::App& app) {
  std::string script;
  for (const CLI::App* command : app.get_subcommands({})) {
    script += fmt::format("complete -c headrace -n __fish_use_subcommand -a {} -d '{}'\n",
                          command->get_name(), command->get_description());
    for (const CLI::Option* option : command->get_options()) {
      for (const std::string& name : option->get_lnames()) {
        const std::string known = values_of(*option);
        script += fmt::format("complete -c headrace -n '__fish_seen_subcommand_from {}' -l {}{}\n",
                              command->get_name(), name,
                              known.empty() ? "" : fmt::format(" -x -a '{}'", known));
      }
    }
  }
  return script;
}

}  // namespace

void add_completion_command(CLI::App& app, Invocation& invocation) {
  CLI::App* command = app.add_subcommand("completion", "Print shell completion");
  const auto shell = std::make_shared<std::string>();
  command->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->footer(
      "Examples:\n"
      "  source <(headrace completion bash)\n"
      "  headrace completion fish > ~/.config/fish/completions/headrace.fish");
  command->callback([shell, &app, &invocation] {
    invocation.action = [shell, &app]() -> Result<int> {
      HR_TRY(print_line(*shell == "bash"  ? bash_script(app)
                        : *shell == "zsh" ? zsh_script(app)
                                          : fish_script(app)));
      return 0;
    };
  });
}

}  // namespace headrace::cli
