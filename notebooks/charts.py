# Databricks notebook source
# MAGIC %md
# MAGIC # Four years of weather in Seattle

# COMMAND ----------

dbutils.widgets.text("csv", "data/seattle-weather.csv")
dbutils.widgets.text("out", "dbfs:/seattle_weather/by_hand")

# COMMAND ----------

# MAGIC %run ./helpers

# COMMAND ----------

import matplotlib.pyplot as plt

weather = read_weather(dbutils.widgets.get("csv"))
comparison = dbutils.jobs.taskValues.get(taskKey="compare", key="comparison", default={"years": []}, debugValue={"years": []})

# COMMAND ----------

# DBTITLE 1,Daily maximum temperature
figure, axes = plt.subplots(figsize=(9, 3.2))
axes.plot(weather["date"], weather["temp_max"], linewidth=0.6, color="#b0c4de")
axes.plot(weather["date"], weather["temp_max"].rolling(30, center=True).mean(), color="#1d4e89", label="30-day mean")
axes.set_ylabel("°C")
axes.legend(frameon=False)
axes.spines[["top", "right"]].set_visible(False)
plt.show()

# COMMAND ----------

# DBTITLE 1,Rain by month
rain = weather.groupby(["year", "month"])["precipitation"].sum().unstack("year")
axes = rain.plot.bar(figsize=(9, 3.2), width=0.8, colormap="viridis")
axes.set_ylabel("mm")
axes.spines[["top", "right"]].set_visible(False)
plt.show()

# COMMAND ----------

for year in comparison["years"]:
    print(f"{year['year']}: {year['rain_mm']} mm of rain on {year['rainy_days']} days, {year['coldest']} to {year['warmest']} °C")

# COMMAND ----------

dbutils.notebook.exit(f"2 charts, {len(comparison['years'])} years compared")
