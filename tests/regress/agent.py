#!/usr/bin/env python3
"""An AutoGen agent with one tool, plain ssh, and a model that replays what it was told to say: no network.

agent.py TOOL SSH WHERE COMMAND...: asks for each COMMAND in turn. Prints as JSON what came back to the model for each.
TOOL is the block of docs/AGENTS.md; SSH and WHERE stand in place of its own two lines.
"""

import asyncio
import json
import sys

from autogen_agentchat.agents import AssistantAgent
from autogen_core import FunctionCall
from autogen_core.models import CreateResult, FunctionExecutionResultMessage, ModelFamily, RequestUsage
from autogen_ext.models.replay import ReplayChatCompletionClient

tool, ssh, where, *commands = sys.argv[1:]
block = {}
exec(compile(open(tool, encoding="utf-8").read(), tool, "exec"), block)
block["SSH"], block["WHERE"] = [ssh], where

usage = RequestUsage(prompt_tokens=0, completion_tokens=0)


def asks(at, command):
    arguments = json.dumps({"command": command, "reason": f'step {at + 1} of the "runbook"'})
    call = FunctionCall(id=f"call-{at}", name="run_on_db1", arguments=arguments)
    return CreateResult(finish_reason="function_calls", content=[call], usage=usage, cached=False)


said = [asks(at, command) for at, command in enumerate(commands)]
said.append(CreateResult(finish_reason="stop", content="done", usage=usage, cached=False))
model = ReplayChatCompletionClient(
    said,
    model_info={
        "vision": False,
        "function_calling": True,
        "json_output": False,
        "structured_output": False,
        "family": ModelFamily.UNKNOWN,
    },
)


async def main():
    agent = AssistantAgent(
        "operator", model_client=model, tools=[block["run_on_db1"]], max_tool_iterations=len(commands) + 1
    )
    result = await agent.run(task="Go through the runbook.")
    # What the model was given, not what the tool returned: that is where it has to arrive.
    seen = [message for message in model.create_calls[-1]["messages"] if isinstance(message, FunctionExecutionResultMessage)]
    came = [one.content for message in seen for one in message.content]
    print(json.dumps({"came": came, "last": result.messages[-1].content}))


asyncio.run(main())
