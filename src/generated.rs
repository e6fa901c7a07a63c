//! `fsreplay completions` and `fsreplay man`: made from the same definitions as the command line
//! itself.

use clap::CommandFactory;

use crate::args::{Cli, CompletionsArgs, ManArgs};
use crate::exit::{self, Failure};
use crate::term;

/// Prints the completions for a shell.
pub fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "fsreplay", &mut script);
    term::to_standard_output(|out| out.write_all(&script))
}

/// Prints the manual page, or writes those of all commands to a directory.
pub fn man(args: &ManArgs) -> Result<(), Failure> {
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command())
            .render(&mut page)
            .map_err(|error| Failure::new(exit::FAILURE, format!("manual page: {error}")))?;
        return term::to_standard_output(|out| out.write_all(&page));
    };
    std::fs::create_dir_all(dir)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), dir))
        .map_err(|error| Failure::new(exit::FAILURE, format!("{}: {error}", dir.display())))
}
