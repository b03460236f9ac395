# Databricks notebook source
# MAGIC %md
# MAGIC # Ingest
# MAGIC Reads the records and says how many there are, and of which years.

# COMMAND ----------

dbutils.widgets.text("csv", "data/seattle-weather.csv", "Records")
dbutils.widgets.text("out", "dbfs:/seattle_weather/by_hand", "Output folder")

# COMMAND ----------

# MAGIC %run ./helpers

# COMMAND ----------

weather = read_weather(dbutils.widgets.get("csv"))
display(weather.head(10))

# COMMAND ----------

years = sorted(int(year) for year in weather["year"].unique())
dbutils.jobs.taskValues.set(key="rows", value=len(weather))
dbutils.jobs.taskValues.set(key="years", value=years)

# COMMAND ----------

dbutils.notebook.exit(f"{len(weather)} rows of {years[0]}-{years[-1]}")
