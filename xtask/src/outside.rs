//! Other people's programs against the binary: a browser, a Python interpreter, applications under guard.
//!
//! Knows how each is started. Must never know what they check; that stands in their own files.

use crate::Workshop;
use crate::process::Task;
use crate::tally::Tally;

/// The walk through the pages in headless Chromium.
pub(crate) fn browser(workshop: &Workshop) -> Result<Tally, String> {
    let binary = built("countersign", workshop)?;
    let chromium = Task::new("sh", &["-c", "command -v chromium"]).ask(workshop)?;
    let ended = Task::new("node", &["--test", "--test-reporter=tap"])
        .inside(workshop.root.join("tests/web"))
        .with("COUNTERSIGN_BIN", &binary)
        .with("CHROMIUM", chromium.output.trim())
        .run(workshop)?;
    Ok(Tally::read(&ended.output, ended.is_success()))
}

/// The Python client against a real server.
pub(crate) fn python_client(workshop: &Workshop) -> Result<Tally, String> {
    let binary = built("countersign", workshop)?;
    let ended = Task::new("python3", &["test_client.py"])
        .inside(workshop.root.join("clients/python"))
        .with("COUNTERSIGN_BIN", &binary)
        .with("PYTHONDONTWRITEBYTECODE", "1")
        .run(workshop)?;
    Ok(Tally::read(&ended.output, ended.is_success()))
}

/// The guard for JavaScript, by itself and in Express.
pub(crate) fn javascript_guard(workshop: &Workshop) -> Result<Tally, String> {
    let run = |folder: &str| {
        let tests = "node --test --test-reporter=tap test/*.test.js";
        let ended = Task::new("sh", &["-c", tests])
            .inside(workshop.root.join(folder))
            .run(workshop)?;
        Ok(Tally::read(&ended.output, ended.is_success()))
    };
    [run("clients/javascript"), run("examples/express")]
        .into_iter()
        .sum()
}

/// The guard for Python, by itself and in FastAPI and Starlette.
pub(crate) fn python_guard(workshop: &Workshop) -> Result<Tally, String> {
    let ended = Task::new(
        "python3",
        &[
            "-W",
            "error",
            "-m",
            "unittest",
            "discover",
            "-s",
            "guard_tests",
            "-t",
            ".",
        ],
    )
    .inside(workshop.root.join("clients/python"))
    .with("PYTHONDONTWRITEBYTECODE", "1")
    .run(workshop)?;
    Ok(Tally::read(&ended.output, ended.is_success()))
}

/// The example applications in front of a real server.
pub(crate) fn examples(workshop: &Workshop) -> Result<Tally, String> {
    let binary = built("countersign", workshop)?;
    let shop = built("countersign-example-axum", workshop)?;
    let ended = Task::new("python3", &["-W", "error", "test_examples.py"])
        .inside(workshop.root.join("examples"))
        .with("COUNTERSIGN_BIN", &binary)
        .with("COUNTERSIGN_SHOP_BIN", &shop)
        .with("PYTHONDONTWRITEBYTECODE", "1")
        .run(workshop)?;
    Ok(Tally::read(&ended.output, ended.is_success()))
}

/// How many times the inputs of a plain run: some ten seconds a target. Inputs are counted and not seconds, so that a
/// seed means the same everywhere.
const FUZZ_TIMES: &str = "50";

/// Every fuzz target as plain code over its committed corpus; coverage guides none of them, as in `soak fuzz`.
pub(crate) fn fuzz(workshop: &Workshop) -> Result<Tally, String> {
    let run = |package, test| {
        let ended = Task::cargo(&["test", "-p", package, "--test", test, "--", "chance_"])
            .with("COUNTERSIGN_FUZZ_TIMES", FUZZ_TIMES)
            .run(workshop)?;
        Ok(Tally::read(&ended.output, ended.is_success()))
    };
    let runs = [
        run("countersign-core", "rules"),
        run("countersign-server", "it"),
        run("countersign-client", "guard"),
    ];
    runs.into_iter().sum()
}

/// Builds a package's binary and says where it is.
pub(crate) fn built(package: &str, workshop: &Workshop) -> Result<String, String> {
    Task::cargo(&["build", "-p", package])
        .run(workshop)?
        .success("the binary does not build")?;
    Ok(workshop.target.join("debug").join(package).display().to_string())
}
