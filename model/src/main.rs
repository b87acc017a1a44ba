//! Checks recorded histories: `countersign-model FILE…`.

use std::process::ExitCode;

use countersign_model::history::History;

fn main() -> ExitCode {
    let files: Vec<String> = std::env::args().skip(1).collect();
    if files.is_empty() {
        eprintln!("name the histories to check");
        return ExitCode::from(2);
    }
    for file in &files {
        let checked = std::fs::read_to_string(file)
            .map_err(|error| error.to_string())
            .and_then(|text| {
                History::parse(&text)
                    .and_then(|history| history.check())
                    .map_err(|fault| fault.to_string())
            });
        match checked {
            Ok(extent) => println!(
                "{file}: {} operations, {} objects, {} unknown: linearizable",
                extent.operations, extent.objects, extent.unknown
            ),
            Err(why) => {
                eprintln!("{file}: {why}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
