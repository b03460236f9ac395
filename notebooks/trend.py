# Databricks notebook source
# MAGIC %md
# MAGIC # Trend
# MAGIC A child notebook: gets numbers as text, gives the slope of their straight line as text.

# COMMAND ----------

import json

values = json.loads(dbutils.widgets.get("values"))

# COMMAND ----------

middle = (len(values) - 1) / 2
mean = sum(values) / len(values)
slope = sum((i - middle) * (value - mean) for i, value in enumerate(values)) / sum((i - middle) ** 2 for i in range(len(values)))
print(f"{len(values)} values, slope {slope:.3f} a year")

# COMMAND ----------

dbutils.notebook.exit(json.dumps({"slope": round(slope, 3), "mean": round(mean, 3)}))
