"""``merian recipes``: what can be trained, what it needs, and what it gave."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from merian.cli import screen

__all__ = ["recipes"]


def recipes(
    name: Annotated[str | None, Parameter()] = None,
    /,
    *,
    json: bool = False,
) -> None:
    """List the recipes for `merian train`, or print one to copy and change.

    Args:
        name: A recipe; its TOML is printed.
        json: Print JSON.
    """
    from merian.learn.recipe import find_recipe, read_recipe, recipe_names

    if name is not None:
        if json:
            screen.print_json(read_recipe(name).tables())
        else:
            print(screen.printable_lines(find_recipe(name)[1]))
        return
    found = [read_recipe(each) for each in recipe_names()]
    if json:
        screen.print_json([r.tables() for r in found])
        return
    for recipe in found:
        print(recipe.name)
        print(f"  {recipe.about}")
        print(f"  needs: {recipe.needs}")
        print(f"  gave:  {recipe.gave or 'not measured yet'}")
    print("\nmerian recipes NAME prints one; merian train NAME --data SOURCE --out RUN runs it.")
