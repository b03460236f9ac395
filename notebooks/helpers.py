# Databricks notebook source
# MAGIC %md
# MAGIC # Helpers
# MAGIC Included with `%run ./helpers`: everything defined here is then known to the caller.

# COMMAND ----------

import json

import pandas as pd

# COMMAND ----------


def read_weather(path):
    """The daily records as a frame, one row a day."""
    frame = pd.read_csv(path, parse_dates=["date"])
    frame["year"] = frame["date"].dt.year
    frame["month"] = frame["date"].dt.month
    return frame


# COMMAND ----------


def save(name, value):
    """Write a value as JSON below the job's output folder."""
    dbutils.fs.put(f"{dbutils.widgets.get('out')}/{name}.json", json.dumps(value), True)


def load(name):
    """Read back what `save` wrote."""
    return json.loads(dbutils.fs.head(f"{dbutils.widgets.get('out')}/{name}.json"))
