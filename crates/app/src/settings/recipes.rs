//! Named sets of settings that are built in.

use clap::builder::PossibleValue;

/// A name and the config file behind it, whose first line says what it is.
pub(crate) struct Recipe {
    pub(crate) name: &'static str,
    pub(crate) text: &'static str,
}

/// All of them.
const RECIPES: [Recipe; 2] = [
    Recipe { name: "tutorial", text: include_str!("../../recipes/tutorial.toml") },
    Recipe { name: "best-mlp", text: include_str!("../../recipes/best-mlp.toml") },
];

/// The names as `--recipe` takes them.
pub(crate) fn names() -> impl Iterator<Item = PossibleValue> {
    RECIPES.iter().map(|recipe| {
        let about = recipe.text.lines().next().unwrap_or_default();
        PossibleValue::new(recipe.name).help(about.trim_start_matches("# "))
    })
}

/// The recipe of that name.
pub(crate) fn named(name: &str) -> Option<&'static Recipe> {
    RECIPES.iter().find(|recipe| recipe.name == name)
}
