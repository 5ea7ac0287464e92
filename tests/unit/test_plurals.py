"""The naming functions are frozen: a line of this table may be added, never changed."""

from __future__ import annotations

import pytest

from chameleondb.default_names import index_name
from chameleondb.plurals import entity_name, is_entity_name, table_name, type_name


@pytest.mark.parametrize(
    ("entity", "table"),
    [
        ("User", "users"),
        ("OrderItem", "order_items"),
        ("Category", "categories"),
        ("Day", "days"),
        ("Person", "people"),
        ("Child", "children"),
        ("Status", "statuses"),
        ("Bus", "buses"),
        ("Box", "boxes"),
        ("Quiz", "quizzes"),
        ("Match", "matches"),
        ("Dish", "dishes"),
        ("Index", "indices"),
        ("Matrix", "matrices"),
        ("Analysis", "analyses"),
        ("Criterion", "criteria"),
        ("Leaf", "leaves"),
        ("Life", "lives"),
        ("Hero", "heroes"),
        ("Series", "series"),
        ("Species", "species"),
        ("Sheep", "sheep"),
        ("Fish", "fish"),
        ("Alias", "aliases"),
        ("HTTPLog", "http_logs"),
        ("UserHTTP", "user_https"),
        ("OAuth2Token", "o_auth2_tokens"),
        ("SalesPerson", "sales_people"),
        ("ProductCategory", "product_categories"),
    ],
)
def test_tables(entity: str, table: str) -> None:
    assert table_name(entity) == table
    assert is_entity_name(entity)
    assert table_name(entity_name(table)) == table


def test_types() -> None:
    assert type_name("OrderStatus") == "order_status"


@pytest.mark.parametrize("name", ["user", "Users", "order_item", "OrderItems", "Categories", "People"])
def test_unusual_entity_names(name: str) -> None:
    assert not is_entity_name(name)


@pytest.mark.parametrize(
    "table", ["user", "status", "news", "data", "app_metadata", "class", "addresses", "houses", "x", "_", "日本"]
)
def test_odd_tables_still_get_an_entity_name(table: str) -> None:
    assert entity_name(table)


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        (("age",), "idx_users_age"),
        (("created_at DESC NULLS LAST", "id"), "idx_users_created_at_id"),
        (("lower(name) text_pattern_ops",), "idx_users_lower_name"),
        (('"odd Name" desc',), "idx_users_odd_name"),
        (('name COLLATE "C"',), "idx_users_name"),
        (("(data ->> 'key'::text)",), "idx_users_data_key"),
    ],
)
def test_index_names(keys: tuple[str, ...], name: str) -> None:
    assert index_name("users", keys) == name
