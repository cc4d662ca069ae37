"""Chat templates can write, and nothing else; and what they take of time and memory has an end."""

import json

import jinja2
import pytest

from serving.text.template import budget
from serving.text.template.budget import Budget, CostError, spending
from serving.text.template.environment import ChatEnvironment, RefusalError

MESSAGES = [
    {"role": "system", "content": "Be brief.\n"},
    {"role": "user", "content": " Hello "},
    {"role": "assistant", "content": "Hi <there>"},
]


def rendered(source, **given):
    limit = Budget(seconds=0.2)
    with spending(limit):
        return ChatEnvironment().compiled(source).render(given or {"messages": MESSAGES})


REACHING = {
    "an attribute of a text": "{{ ''.__class__ }}",
    "another of it": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "by an index": "{{ ''['__class__'] }}",
    "by a filter": "{{ ''|attr('__class__') }}",
    "by a filter of filters": "{{ messages|map(attribute='__class__')|list }}",
    "of a function": "{{ raise_exception.__globals__ }}",
    "of a class": "{{ namespace.__init__ }}",
    "of the template": "{{ self.__init__ }}",
    "of what is not there": "{{ nothing.__class__ }}",
    "a frame": "{{ (messages|map('upper')).gi_frame }}",
    "a list that is changed": "{{ messages.append(1) }}",
    "another file": "{% include 'file' %}",
    "a module": "{% import 'file' as file %}",
    "a base": "{% extends 'file' %}",
    "words at random": "{{ lipsum() }}",
    "what lists have besides": "{{ messages.copy() }}",
}
ENDLESS = {
    "a long loop": "{% for i in range(10**9) %}{% endfor %}",
    "loops in loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}"
    "{% endfor %}",
    "a macro of itself": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "a macro of two": "{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}"
    "{{ f(60) }}",
    "a loop of itself": "{% for m in messages recursive %}{{ loop(messages) }}{% endfor %}",
    "a list of lists": "{% set n = namespace(a=[1]) %}{% for i in range(60) %}"
    "{% set n.a = [n.a, n.a] %}{% endfor %}{{ n.a }}",
    "a key of tuples": "{% set n = namespace(a=(1,)) %}{% for i in range(60) %}"
    "{% set n.a = (n.a, n.a) %}{% endfor %}{{ {n.a: 1} }}",
    "lists that are compared": "{% set n = namespace(a=[1], b=[1]) %}{% for i in range(60) %}"
    "{% set n.a = [n.a, n.a] %}{% set n.b = [n.b, n.b] %}{% endfor %}{{ n.a == n.b }}",
    "lists by a test": "{% set n = namespace(a=[1], b=[1]) %}{% for i in range(60) %}"
    "{% set n.a = [n.a, n.a] %}{% set n.b = [n.b, n.b] %}{% endfor %}{{ n.a is eq n.b }}",
    "a text that is searched": "{% set x = 'a' * 4000000 %}{% for i in range(99999) %}"
    "{% if 'ab' in x %}{% endif %}{% endfor %}",
}
LARGE = {
    "many letters": "{{ 'a' * 10**10 }}",
    "many items": "{{ [1] * 10**10 }}",
    "a power": "{{ 9 ** (9 ** 9) }}",
    "a large number": "{% set n = namespace(a=9) %}{% for i in range(60) %}"
    "{% set n.a = n.a * n.a %}{% endfor %}",
    "a text that doubles": "{% set n = namespace(a='aaa') %}{% for i in range(60) %}"
    "{% set n.a = n.a + n.a %}{% endfor %}",
    "and in another way": "{% set n = namespace(a='aaa') %}{% for i in range(60) %}"
    "{% set n.a = n.a ~ n.a %}{% endfor %}",
    "and in a block": "{% set n = namespace(a='aaa') %}{% for i in range(60) %}"
    "{% set t %}{{ n.a }}{{ n.a }}{% endset %}{% set n.a = t %}{% endfor %}",
    "its own text again and again": "{% for i in range(99999) %}" + "a" * 1000 + "{% endfor %}",
    "slices that are kept": "{% set n = namespace(l=[]) %}{% set s = 'a' * 1000000 %}"
    "{% for i in range(999) %}{% set n.l = n.l + [s[1:]] %}{% endfor %}",
    "a wide line": "{{ 'a'|indent(10**9) }}",
    "wide JSON": "{{ messages|tojson(indent=10**9) }}",
    "a replacement": "{{ ('a' * 10**5)|replace('a', 'b' * 10**5) }}",
    "one by a method": "{{ ('a' * 10**5).replace('', 'b' * 10**5) }}",
    "what goes between": "{{ ('a' * 10**5).join('b' * 10**5) }}",
    "one text many times": "{{ (['a' * 10**5] * 10**5)|select|join }}",
    "a form": "{{ '{:1000000000d}'.format(1) }}",
    "a form of old": "{{ '%1000000000d' % 1 }}",
    "a wide method": "{{ 'a'.center(10**9) }}",
    "a time of many letters": "{{ strftime_now('%999999999d') }}",
}


@pytest.mark.parametrize("source", [*REACHING.values(), *LARGE.values()], ids=[*REACHING, *LARGE])
def test_what_templates_may_not(source):
    with pytest.raises((jinja2.TemplateError, CostError)):
        rendered(source)


@pytest.mark.parametrize("what", ENDLESS)
def test_what_has_no_end_is_ended(what):
    errors = (jinja2.TemplateError, CostError, OverflowError, RecursionError)
    with pytest.raises(errors):
        rendered(ENDLESS[what])


WRITTEN = [
    ("{{ messages[0]['content'] ~ messages[1].content|trim }}", "Be brief.\nHello"),
    ("{% for m in messages[1:] %}{{ loop.index0 }}{% if loop.last %}!{% endif %}{% endfor %}",
     "01!"),
    ("{% for m in messages %}{% if loop.index > 1 %}{% break %}{% endif %}.{% endfor %}", "."),
    ("{% for m in messages[::-1] %}{{ loop.length }}{{ loop.revindex0 }} {% endfor %}",
     "32 31 30 "),
    ("{% set n = namespace(x=1) %}{% set n.x = n.x + 1 %}{{ n.x * 'a' }}", "aa"),
    ("{% macro say(m) %}<{{ m.role }}>{% endmacro %}{{ say(messages[1]) }}", "<user>"),
    ("{% generation %}{{ messages|length }}{% endgeneration %}", "3"),
    ("{{ messages|selectattr('role', 'equalto', 'user')|map(attribute='content')|list }}",
     "[' Hello ']"),
    ("{{ messages|map(attribute='role')|join(', ')|upper }}", "SYSTEM, USER, ASSISTANT"),
    ("{{ 'a</think>b'.split('</think>')[-1].lstrip('\\n') }}", "b"),
    ("{{ {'a': ['é<']}|tojson }}{{ {'b': 1}.items()|list }}", '{"a": ["é<"]}[(\'b\', 1)]'),
    ("{% if 'x' in messages[0] or messages[0].role != 'user' %}yes{% endif %}{{ tools }}", "yes"),
    ("{{ '%' ~ 7 // 2 ~ 7 % 4 ~ 2 ** 3 ~ -1|abs }}", "%3381"),
    ("  {% if true %}\n  a\n  {% endif %}\n", "  a\n"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "expected"), WRITTEN)
def test_what_templates_do(source, expected):
    assert rendered(source) == expected


def test_a_template_refuses_messages():
    with pytest.raises(RefusalError, match="roles must alternate"):
        rendered("{{ raise_exception('roles must alternate') }}")


def test_the_date_is_that_of_today():
    today = rendered("{{ strftime_now('%Y-%m-%d') }}")
    assert len(today) == 10 and json.loads(today[:4]) >= 2024


def test_nothing_is_spent_but_on_a_budget():
    with pytest.raises(LookupError):
        budget.budget()
    with pytest.raises(CostError, match="more than 8 characters"), spending(Budget(made=8)):
        budget.budget().make(9)
