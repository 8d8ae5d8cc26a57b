import { Argument, type Command } from 'commander';
import { group, leaf, type BuildCommand } from '../command.js';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

/** All three ask `fedrot completion words`, so that they never know less than the command line itself. */
const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `# fedrot completion bash > /etc/bash_completion.d/fedrot
_fedrot() {
  local word=\${COMP_WORDS[COMP_CWORD]}
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$(fedrot completion words -- "\${COMP_WORDS[@]:1:COMP_CWORD-1}" 2>/dev/null)" -- "$word"))
}
complete -o default -F _fedrot fedrot
`,
  zsh: `#compdef fedrot
# fedrot completion zsh > "\${fpath[1]}/_fedrot"
_fedrot() {
  local -a candidates
  candidates=("\${(@f)$(fedrot completion words -- "\${(@)words[2,CURRENT-1]}" 2>/dev/null)}")
  compadd -a candidates || _files
}
compdef _fedrot fedrot
`,
  fish: `# fedrot completion fish > ~/.config/fish/completions/fedrot.fish
complete -c fedrot -f -a '(fedrot completion words -- (commandline -opc)[2..] 2>/dev/null)'
complete -c fedrot -n '__fish_contains_opt config' -F
`,
};

/** What may come after these words: names of commands while there are some below, then options not given yet, or an option's choices. */
export function candidates(program: Command, words: readonly string[]): string[] {
  let command = program;
  for (const word of words) {
    const next = command.commands.find((child) => child.name() === word);
    if (next !== undefined) command = next;
  }
  const last = words.at(-1) ?? '';
  const pending = command.options.find(({ long, short }) => last !== '' && (last === long || last === short));
  if (pending !== undefined && (pending.required || pending.optional) && !pending.isBoolean())
    return [...(pending.argChoices ?? [])];
  const options = command.options
    .filter(({ hidden }) => !hidden)
    .flatMap(({ long }) => long ?? [])
    .filter((option) => !words.includes(option));
  const children = command.commands.map((child) => child.name()).filter((name) => name !== 'words');
  return [...children, ...options, '--help'];
}

const buildWords: BuildCommand = (context) =>
  leaf('words', 'what may come next: for the scripts')
    .addArgument(new Argument('[words...]', 'what has been typed'))
    .allowUnknownOption()
    .action(async (words: string[]) => {
      const program = await context.wholeProgram?.();
      if (program !== undefined) context.out(`${candidates(program, words).join('\n')}\n`);
    });

export const build: BuildCommand = (context) =>
  group('completion', 'print a completion script for bash, zsh or fish', [
    ...SHELLS.map((shell) =>
      leaf(shell, `print the script for ${shell}; its first lines say where it goes`).action(() => {
        context.out(SCRIPTS[shell]);
      }),
    ),
    buildWords(context),
  ]);
