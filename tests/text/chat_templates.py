"""Chat templates in the manner of what checkpoints hold, written for these tests, and chats to render with them."""

TEMPLATES = {
    "chatml": """{% for message in messages %}
<|start|>{{ message['role'] }}
{{ message.content | trim }}<|end|>
{% endfor %}
{%- if add_generation_prompt %}
<|start|>assistant
{% endif %}
""",
    "instruct": """{%- if messages[0]['role'] == 'system' %}
    {%- set system = messages[0]['content'] %}
    {%- set rest = messages[1:] %}
{%- else %}
    {%- set system = false %}
    {%- set rest = messages %}
{%- endif %}
{%- for m in rest %}
    {%- if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('roles must take turns, and message ' ~ loop.index ~ ' is of ' ~ m.role) }}
    {%- endif %}
    {%- if loop.index0 == 0 and system %}
        {%- set content = '[[' ~ system ~ ']]\\n\\n' + m['content'] %}
    {%- else %}
        {%- set content = m['content'] %}
    {%- endif %}
    {%- if m['role'] == 'user' %}
        {{- bos_token + '(ask) ' ~ content.strip() ~ ' (/ask)' }}
    {%- elif m['role'] == 'assistant' %}
        {{- ' ' ~ content.strip() + ' ' + eos_token }}
    {%- endif %}
{%- endfor %}
""",
    "headers": """{{- bos_token }}
{%- set loops = namespace(tool=none, turn=0) %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- if not date is defined %}
    {%- set date = "26 Jul 2024" %}
{%- endif %}
{#- The system's part: its text, then tools. #}
{%- if messages and messages[0]['role'] == 'system' -%}
    {%- set system = messages[0]['content'] | trim -%}
    {%- set messages = messages[1:] -%}
{%- else -%}
    {%- set system = "" -%}
{%- endif -%}
{{- "<head>system</head>\\n\\n" }}
{%- if tools is not none %}
    {{- "Environment: tools\\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{{- "Today: " + date + "\\n" + system + "<eot>" }}
{%- for message in messages %}
    {%- set loops.turn = loops.turn + 1 %}
    {%- if not (message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<head>' + message['role'] + '</head>\\n\\n' + message['content'] | trim + '<eot>' }}
    {%- elif 'tool_calls' in message %}
        {%- if message.tool_calls | length != 1 %}
            {{- raise_exception("one call at a time") }}
        {%- endif %}
        {%- set call = message.tool_calls[0].function %}
        {%- set loops.tool = call.name %}
        {{- '<head>assistant</head>\\n\\n{"name": "' + call.name + '", "parameters": ' }}
        {{- call.arguments | tojson }}
        {{- "}<eot>" }}
    {%- else %}
        {{- "<head>" ~ loops.tool ~ "</head>\\n\\n" }}
        {%- if message.content is mapping or (message.content is iterable and message.content is not string) %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<eot>" ~ loops.turn }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<head>assistant</head>\\n\\n' }}
{%- endif %}
""",
    "turns": """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system here') }}{% endif %}
{% for message in messages %}{% if message['role'] == 'assistant' %}{% set role = 'model' %}{% else %}
{% set role = message['role'] %}{% endif %}{{ '<turn>' + role + '\n' + message['content'] | trim + '</turn>\n' }}
{% endfor %}
{% if add_generation_prompt %}{{'<turn>model\n'}}{% endif %}""",
    "parts": """{%- macro show(content, label=none) -%}
    {%- if content is string -%}
        {{- content -}}
    {%- elif content is iterable -%}
        {%- for part in content if part.type == 'text' -%}
            {{- part['text'] ~ ('' if loop.last else ' / ') -}}
        {%- else -%}
            (nothing)
        {%- endfor -%}
    {%- else -%}
        {{- '(none)' -}}
    {%- endif -%}
    {%- if label %}[{{ label | upper }}]{% endif -%}
{%- endmacro -%}
{% for role, group in [('all', messages)] %}
{{ role }}: {{ group | map(attribute='role') | join(', ') }}
{% endfor %}
{%- for m in messages | rejectattr('role', 'equalto', 'system') | list %}
  * {{ m.role | capitalize }}: {{ show(m.content, label=m.name | default('')) }}
    {%- if m.reasoning is defined and m.reasoning is string %} <think>{{ m.reasoning.strip('\n') }}</think>{% endif %}

{% endfor %}
{% set last %}  {{ messages[-1].role }} {% endset %}
>{{ last | trim }}<
""",
    "tools": """{%- if tools %}
    {{- '<|start|>system\\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\\n\\n' }}
    {%- endif %}
    {{- "# Tools\\n\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools><|end|>\\n" }}
{%- endif %}
{%- set ns = namespace(step=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.step and message.role == "user" and message.content is string and not(message.content.startswith('<r>') and message.content.endswith('</r>')) %}
        {%- set ns.step = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- set content = message.content if message.content is string else '' %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|start|>' + message.role + '\\n' + content + '<|end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set thought = '' %}
        {%- if '</think>' in content %}
            {%- set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last and (loop.last or thought) %}
            {{- '<|start|>assistant\\n<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' + content }}
        {%- else %}
            {{- '<|start|>assistant\\n' + content }}
        {%- endif %}
        {%- for call in message.tool_calls or [] %}
            {%- if (loop.first and content) or (not loop.first) %}{{- '\\n' }}{%- endif %}
            {%- if call.function %}{%- set call = call.function %}{%- endif %}
            {{- '<call>{"name": "' }}{{- call.name }}{{- '", "arguments": ' }}
            {%- if call.arguments is string %}{{- call.arguments }}{%- else %}{{- call.arguments | tojson }}{%- endif %}
            {{- '}</call>' }}
        {%- endfor %}
        {{- '<|end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}{{- '<|start|>user' }}{%- endif %}
        {{- '\\n<r>\\n' }}{{- content }}{{- '\\n</r>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}{{- '<|end|>\\n' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}
{%- endif %}
""",
    "phrases": """{% for message in messages %}{% if message['role'] == 'system' %}{{'<|s|>' + message['content'] + '<|e|>'}}
{%- elif message['role'] == 'user' -%}{{ '<|u|>' + '\n' + message['content'] + '<|e|>' + '\n' }}
{%- else %}{% generation %}{{ '<|a|>' ~ message['content'] ~ '<|e|>' }}{% endgeneration %}{% endif %}
{%- if loop.nextitem is defined and loop.nextitem.role == message.role %}{% continue %}{% endif %}
{%- if loop.index > 6 %}{% break %}{% endif -%}
({{ loop.revindex }}/{{ loop.length }}{{ loop.cycle('a', 'b') }}){% endfor %}
{% raw %}{{ as it stands }} {% if %}{% endraw %}

""",
}

TOOL = {"type": "function", "function": {"name": "weather", "description": "What it's like \"there\" <b>&amp;</b>", "parameters": {
    "type": "object", "properties": {"place": {"type": "string", "enum": ["Zürich", "東京"]}, "days": {"type": "integer", "default": 1.5}},
    "required": ["place"], "items": [], "extra": {}}}}
CALL = {"role": "assistant", "content": None, "tool_calls": [
    {"id": "1", "type": "function", "function": {"name": "weather", "arguments": {"place": "Zürich", "days": 2, "when": None, "ok": True}}}]}
USER, ASSISTANT = {"role": "user", "content": "  Hello, wörld!\n"}, {"role": "assistant", "content": "<think>\nhm\n</think>\n\nHi 'there' 🙂"}
PARTS = {"role": "user", "name": "ann", "content": [{"type": "text", "text": "one"}, {"type": "image"}, {"type": "text", "text": "two\n"}]}

CHATS = [
    [USER], [{"role": "system", "content": " Be brief.\n"}, USER], [USER, ASSISTANT, {"role": "user", "content": "again"}],
    [{"role": "system", "content": "S"}, USER, ASSISTANT, {"role": "user", "content": "more\r\nlines"}], [USER, USER], [ASSISTANT],
    [USER, CALL, {"role": "tool", "content": "{\"t\": 1}"}, {"role": "tool", "content": {"t": [1, 2.5, 1e20, -0.0]}}, ASSISTANT],
    [{"role": "system", "content": ""}, PARTS, {"role": "assistant", "content": "ok", "reasoning": "\nso\n"}], [PARTS, USER, ASSISTANT] * 5, [],
]
