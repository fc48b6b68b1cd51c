// `trapscope completion SHELL`: what bash, zsh and fish need to complete the commands, made of the tables that the commands parse with.

import { UsageError } from "../base/errors.ts";
import { LABS } from "../labs/list.ts";
import type { OptionSpec } from "./arguments.ts";
import { argumentsOf, type CommandSpec } from "./command.ts";
import { bundledGuests } from "./files.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

export const COMPLETION: CommandSpec = {
  name: "completion", operands: SHELLS.join("|"), takes: "shell",
  summary: "what your shell needs to complete all this",
  about: `Prints a script for a shell. It completes commands, options, their values, files, and the names of the bundled guests and labs.`,
  options: { help: { help: "this text" } },
  examples: [
    ["bash: now, and (in ~/.bashrc) from now on", 'completion bash > ~/.trapscope-completion && . ~/.trapscope-completion'],
    ["zsh: in a folder of $fpath", "completion zsh > ~/.zfunc/_trapscope"],
    ["fish", "completion fish > ~/.config/fish/completions/trapscope.fish"],
  ],
  outcomes: [["printed", 0]],
};

export function completion(argv: readonly string[], commands: readonly CommandSpec[]): number {
  const args = argumentsOf(COMPLETION, argv);
  if (!args) return 0;
  const shell = SHELLS.find((name) => name === args.positionals[0]);
  if (!shell || args.positionals.length > 1) throw new UsageError(`Say which shell: trapscope completion ${SHELLS.join("|")}.`);
  process.stdout.write(completionScript(shell, commands));
  return 0;
}

export function completionScript(shell: Shell, commands: readonly CommandSpec[]): string {
  return { bash, zsh, fish }[shell](commands);
}

/** What may stand in one place: these words, files, or both; neither: anything. */
interface Values {
  readonly words: readonly string[];
  readonly files: boolean;
}

/** Of an option's value; null: it is a switch. */
function valuesOf({ value, choices }: OptionSpec): Values | null {
  if (value === undefined) return null;
  const listed = choices ?? (value.includes("|") ? value.split("|").filter((word) => /^[a-z0-9-]+$/.test(word)) : []);
  return { words: listed.flatMap(alternatives), files: /FILE/.test(value) };
}

/** "umip=on|off" is two words. */
function alternatives(choice: string): readonly string[] {
  const [, name, values] = /^([^=]+)=(.+)$/.exec(choice) ?? [];
  return name === undefined ? [choice] : values!.split("|").map((value) => (value === "N" ? `${name}=` : `${name}=${value}`));
}

function operandsOf({ takes }: CommandSpec): Values {
  switch (takes) {
    case "image": return { words: bundledGuests().map(({ id }) => id), files: true };
    case "file": case "recording": return { words: [], files: true };
    case "lab": return { words: [...LABS.map(({ id }) => id), "all"], files: false };
    case "shell": return { words: SHELLS, files: false };
  }
}

const entries = ({ options }: CommandSpec): [string, OptionSpec][] => Object.entries(options);

function bash(commands: readonly CommandSpec[]): string {
  const give = ({ words, files }: Values): string => [...(words.length > 0 ? [`words="${words.join(" ")}"`] : []), ...(files ? ["files=1"] : [])].join(" ") || ":";
  const cases = commands.flatMap((command) => [
    ...entries(command).flatMap(([name, option]) => {
      const values = option.optional ? null : valuesOf(option);
      return values ? [`    ${command.name}:--${name}) ${give(values)} ;;`] : [];
    }),
    `    ${command.name}:*)
      if [[ $current == -* ]]; then words="${entries(command).map(([name]) => `--${name}`).join(" ")}"
      else ${give(operandsOf(command))}; fi ;;`,
  ]);
  return `# bash completion for trapscope
_trapscope() {
  local line=() i word words="" files="" current before=""
  # Readline takes "=" for a word of its own.
  for ((i = 1; i <= COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if ((\${#line[@]} > 0)) && [[ $word == "=" || \${COMP_WORDS[i - 1]} == "=" ]]; then line[\${#line[@]} - 1]+=$word; else line+=("$word"); fi
  done
  current=\${line[\${#line[@]} - 1]}
  ((\${#line[@]} > 1)) && before=\${line[\${#line[@]} - 2]}
  COMPREPLY=()
  if ((\${#line[@]} == 1)); then
    COMPREPLY=($(compgen -W "${commands.map(({ name }) => name).join(" ")} --help --version" -- "$current"))
    return
  fi
  if [[ $current == --*=* ]]; then before=\${current%%=*} current=\${current#*=}; fi
  case \${line[0]}:$before in
${cases.join("\n")}
  esac
  [[ -n $words ]] && COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [[ -n $files ]]; then
    compopt -o filenames 2> /dev/null
    while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$current")
  fi
  # What stands before the "=" is not to be typed again.
  if [[ $current == *=* && $COMP_WORDBREAKS == *=* ]]; then COMPREPLY=("\${COMPREPLY[@]#"\${current%=*}="}"); fi
}
complete -F _trapscope trapscope
`;
}

function zsh(commands: readonly CommandSpec[]): string {
  const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
  const plain = (text: string): string => text.replace(/[[\]:\\]/g, "\\$&");
  const action = ({ words, files }: Values): string => {
    if (files) return words.length > 0 ? `{_alternative "guests:guest:(${words.join(" ")})" "files:file:_files"}` : "_files";
    return words.length > 0 ? `(${words.join(" ")})` : " ";
  };
  const option = ([name, spec]: [string, OptionSpec]): string => {
    const values = valuesOf(spec), equals = values ? (spec.optional ? "=-" : "=") : "";
    const rest = values ? `:${plain(spec.value ?? "")}:${action(values)}` : "";
    return quoted(`${spec.repeats ? "*" : ""}--${name}${equals}[${plain(spec.help)}]${spec.optional ? `:${rest}` : rest}`);
  };
  return `#compdef trapscope
_trapscope() {
  local curcontext=$curcontext state line
  _arguments -C '--help[what there is]' '--version[which version]' '1:command:->command' '*::argument:->rest'
  case $state in
    command)
      local -a commands=(
${commands.map(({ name, summary }) => `        ${quoted(`${plain(name)}:${summary}`)}`).join("\n")}
      )
      _describe command commands ;;
    rest)
      case $words[1] in
${commands.map((command) => `        ${command.name})
          _arguments ${entries(command).map(option).join(" \\\n            ")} \\
            ${quoted(`*:${command.takes}:${action(operandsOf(command))}`)} ;;`).join("\n")}
      esac ;;
  esac
}
if [[ $funcstack[1] == _trapscope ]]; then _trapscope "$@"; else compdef _trapscope trapscope; fi
`;
}

function fish(commands: readonly CommandSpec[]): string {
  const quoted = (text: string): string => `'${text.replace(/[\\']/g, "\\$&")}'`;
  const given = ({ words }: Values): string => (words.length > 0 ? ` -a ${quoted(words.join(" "))}` : "");
  const lines = commands.flatMap((command) => {
    const when = `-n ${quoted(`__fish_seen_subcommand_from ${command.name}`)}`, operands = operandsOf(command);
    return [
      `complete -c trapscope -n __fish_use_subcommand -f -a ${command.name} -d ${quoted(command.summary)}`,
      `complete -c trapscope ${when} ${operands.files ? "-F" : "-f"}${given(operands)}`,
      ...entries(command).map(([name, option]) => {
        const values = valuesOf(option);
        const takes = !values || option.optional ? "" : values.files ? ` -r -F${given(values)}` : ` -x${given(values)}`;
        return `complete -c trapscope ${when} -l ${name}${takes} -d ${quoted(option.help)}`;
      }),
    ];
  });
  return `# fish completion for trapscope
complete -c trapscope -n __fish_use_subcommand -f -l help -d 'what there is'
complete -c trapscope -n __fish_use_subcommand -f -l version -d 'which version'
${lines.join("\n")}
`;
}
