// The labextension, written by hand as a module-federation container: the widget bar above a notebook and the Workflows panel.
(() => {
  const NAME = 'dbutils-local';
  const TARGET = 'dbutils_local.bar';
  const HIGHEST_BAR = 180; // pixels, then it scrolls
  const SAVED = 'application/vnd.databricks.v1+notebook'; // Databricks' own part of a notebook's metadata
  const REFRESH = 3000; // ms between looks at the runs, while the panel is in sight
  let scope;

  // JupyterLab shares its own packages by name; whichever version is there is the one it runs.
  const shared = async name => (await Object.values(scope[name])[0].get())();

  const element = (tag, properties = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  };

  // ---------------------------------------------------------------- the widget bar

  const ON_CHANGE = [
    ['run_notebook', 'Run notebook'],
    ['run_accessed_commands', 'Run accessed commands'],
    ['do_nothing', 'Do nothing'],
  ];

  class Bar {
    constructor(lab, panel) {
      this.lab = lab;
      this.panel = panel;
      this.comm = null;
      this.box = new lab.Panel();
      this.box.addClass('dbl-bar');
      this.box.hide();
      panel.contentHeader.addWidget(this.box);
      panel.sessionContext.kernelChanged.connect(() => this.hook());
      panel.sessionContext.ready.then(() => this.hook());
    }

    hook() {
      const kernel = this.panel.sessionContext.session?.kernel;
      this.show(null);
      if (!kernel || kernel === this.kernel) return;
      this.kernel = kernel;
      kernel.registerCommTarget(TARGET, (comm, open) => {
        this.listen(comm);
        this.show(open.content.data.model_id);
      });
      kernel.statusChanged.connect((_, status) => /restarting|dead/.test(status) && this.show(null));
      this.find(kernel);
    }

    // After a page was reloaded the kernel knows nothing of it: ask on the comm that is still open there.
    async find(kernel) {
      await kernel.info;
      const reply = await kernel.requestCommInfo({ target_name: TARGET });
      for (const id of Object.keys(reply.content.comms ?? {})) {
        if (!kernel.hasComm(id)) this.listen(kernel.createComm(TARGET, id));
      }
    }

    listen(comm) {
      this.comm = comm;
      comm.onMsg = message => this.obey(message.content.data);
      comm.onClose = () => this.show(null);
      comm.send(this.chosen ? { hello: true, on_change: this.chosen } : { hello: true });
    }

    obey(order) {
      if ('model_id' in order) this.show(order.model_id, order.on_change);
      if (order.keep) this.keep(order.keep);
      if (order.run) this.runAgain(order.run);
      if (order.restart) this.restart(order.restart);
    }

    show(id, onChange) {
      if (id && id === this.shown) {
        this.select.value = onChange;
        return;
      }
      this.shown = id;
      while (this.box.widgets.length) this.box.widgets[0].dispose();
      this.watch?.disconnect();
      if (!id) return this.box.hide();
      const model = new this.lab.OutputAreaModel({ trusted: true });
      const data = { 'application/vnd.jupyter.widget-view+json': { version_major: 2, version_minor: 0, model_id: id } };
      model.add({ output_type: 'display_data', metadata: {}, data });
      const area = new this.lab.SimplifiedOutputArea({ model, rendermime: this.panel.content.rendermime });
      this.box.addWidget(area);
      this.box.addWidget(this.choice(onChange));
      this.box.show();
      this.fit(area.node);
    }

    choice(chosen) {
      const select = (this.select = element('select', { title: 'What to do when a widget changes' }));
      select.append(...ON_CHANGE.map(([value, text]) => element('option', { value, textContent: text })));
      select.value = chosen;
      select.onchange = () => {
        this.chosen = select.value;
        this.comm.send({ on_change: select.value });
      };
      return new this.lab.Widget({ node: element('label', { className: 'dbl-on-change' }, 'On change: ', select) });
    }

    // The header gives its children no height of their own.
    fit(node) {
      const fit = () => {
        if (this.box.isDisposed) return;
        this.box.node.style.minHeight = `${Math.min(node.scrollHeight || 36, HIGHEST_BAR) + 8}px`;
        this.box.parent?.fit();
      };
      fit();
      this.watch = new MutationObserver(fit);
      this.watch.observe(node, { childList: true, subtree: true, attributes: true, attributeFilter: ['style', 'class'] });
      new ResizeObserver(fit).observe(node);
    }

    cells(test) {
      return this.panel.content.widgets.filter(cell => cell.model.type === 'code' && test(cell));
    }

    waiting() {
      return this.cells(cell => cell.node.querySelector('.jp-InputPrompt')?.textContent.includes('*'));
    }

    // As on Databricks, what a person chose is a change of the notebook, which is saved like any other.
    keep({ name, entry }) {
      const model = this.panel.model;
      if (!model || model.readOnly || !this.panel.context.path.endsWith('.ipynb')) return;
      const saved = model.getMetadata(SAVED) ?? { language: 'python' };
      const { [name]: known, ...others } = saved.widgets ?? {};
      if (!known && !entry) return;
      const now = entry && { [name]: { ...entry, nuid: known?.nuid ?? entry.nuid } };
      model.setMetadata(SAVED, { ...saved, widgets: { ...others, ...now } });
    }

    // A change made while cells run triggers nothing, and SQL cells are never run again: as on Databricks.
    runAgain(which) {
      if (this.waiting().length) return;
      const notebook = this.panel.content;
      if (which === 'all') return this.lab.NotebookActions.runAll(notebook, this.panel.sessionContext);
      const isSql = cell => /^\s*%%?sql\b/.test(cell.model.sharedModel.getSource());
      const cells = this.cells(cell => which.includes(cell.model.id) && !isSql(cell));
      return this.lab.NotebookActions.runCells(notebook, cells, this.panel.sessionContext);
    }

    // A cell whose reply has not come yet looks as if it waited: those the kernel has begun are not run again.
    async restart({ cell, begun, code, again }) {
      const isBegun = ({ outputArea }) => !outputArea.future || begun.includes(outputArea.future.msg.header.msg_id);
      const rest = this.waiting().filter(other => other.model.id !== cell && !isBegun(other));
      if (again) rest.unshift(...this.cells(other => other.model.id === cell));
      const session = this.panel.sessionContext;
      await session.restartKernel();
      await session.session.kernel.info;
      await session.session.kernel.requestExecute({ code, silent: true, store_history: false }).done;
      if (rest.length) await this.lab.NotebookActions.runCells(this.panel.content, rest, session);
    }
  }

  // ---------------------------------------------------------------- the Workflows panel

  const ENDED = ['TERMINATED', 'SKIPPED', 'INTERNAL_ERROR'];
  const isOver = run => ENDED.includes(run.state.life_cycle_state);
  const word = run => run.state.result_state ?? run.state.life_cycle_state;
  const TONES = [
    [/^SUCCESS/, 'good'],
    [/FAILED|ERROR|TIMEDOUT/, 'bad'],
    [/RUNNING|TERMINATING|RETRY/, 'busy'],
  ];
  const tone = run => TONES.find(([pattern]) => pattern.test(word(run)))?.[1] ?? 'quiet';

  const seconds = run => {
    if (!run.start_time) return '';
    const ms = (isOver(run) && run.end_time ? run.end_time : Date.now()) - run.start_time;
    return ms < 60000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.floor(ms / 60000)} m ${Math.round((ms % 60000) / 1000)} s`;
  };

  class Desk {
    constructor(ServerConnection) {
      this.connection = ServerConnection;
      this.settings = ServerConnection.makeSettings();
    }

    async ask(path, body) {
      // With its default, no-store, JupyterLab would add the time to the query: a field the API does not know.
      const cache = 'no-cache';
      const init = body === undefined ? { cache } : { cache, method: 'POST', body: JSON.stringify(body) };
      const reply = await this.connection.makeRequest(`${this.settings.baseUrl}api/2.2/jobs/${path}`, init, this.settings);
      const answer = await reply.json().catch(() => ({}));
      if (!reply.ok) throw new Error(answer.message ?? `the server answered ${reply.status}`);
      return answer;
    }

    page(run) {
      return `${this.settings.baseUrl}dbutils-local/runs/${run.run_id}`;
    }
  }

  class Workflows {
    constructor(desk) {
      this.desk = desk;
      this.jobs = element('ul');
      this.runs = element('ul');
      this.said = element('p', { className: 'dbl-said' });
      const again = element('button', { className: 'dbl-button', textContent: 'Refresh', onclick: () => this.refresh() });
      this.node = element(
        'div', { className: 'dbl-workflows' },
        element('header', {}, element('h2', { textContent: 'Workflows' }), again), this.said,
        element('h3', { textContent: 'Jobs' }), this.jobs, element('h3', { textContent: 'Runs' }), this.runs,
      );
    }

    async refresh() {
      try {
        const [jobs, runs] = await Promise.all([this.desk.ask('list?limit=50'), this.desk.ask('runs/list?limit=20')]);
        this.said.textContent = '';
        this.fill(this.jobs, jobs.jobs, job => this.job(job), 'No jobs yet: dbutils-local jobs create job.yml');
        this.fill(this.runs, runs.runs, run => this.run(run), 'No runs yet: %workflow run job.yml');
      } catch (error) {
        this.said.textContent = `Workflows cannot be shown: ${error.message}`;
      }
    }

    fill(list, items, draw, otherwise) {
      const lines = (items ?? []).map(draw);
      list.replaceChildren(...(lines.length ? lines : [element('li', { className: 'dbl-none', textContent: otherwise })]));
    }

    button(text, title, act) {
      const onclick = async () => {
        try {
          await act();
        } catch (error) {
          this.said.textContent = error.message;
          return;
        }
        await this.refresh();
      };
      return element('button', { className: 'dbl-button', textContent: text, title, onclick });
    }

    job(job) {
      const start = this.button('Run', 'Run this job now', () => this.desk.ask('run-now', { job_id: job.job_id }));
      return element('li', {}, element('span', { className: 'dbl-name', textContent: job.settings.name }), start);
    }

    run(run) {
      const name = element('a', {
        className: 'dbl-name', href: this.desk.page(run), target: '_blank', textContent: run.run_name ?? `Run ${run.run_id}`,
      });
      const state = element('span', { className: `dbl-state dbl-${tone(run)}`, textContent: word(run) });
      const line = element('li', {}, name, state, element('span', { className: 'dbl-time', textContent: seconds(run) }));
      if (!isOver(run)) {
        line.append(this.button('Cancel', 'Cancel this run', () => this.desk.ask('runs/cancel', { run_id: run.run_id })));
      }
      return line;
    }
  }

  const openWorkflows = (app, lab) => {
    const workflows = new Workflows(new Desk(lab.ServerConnection));
    const widget = new lab.Widget({ node: workflows.node });
    widget.id = 'dbutils-local-workflows';
    widget.title.caption = 'Workflows';
    widget.title.icon = new lab.LabIcon({ name: 'dbutils-local:workflows', svgstr: ICON });
    app.shell.add(widget, 'right', { rank: 900 });
    const look = () => widget.isVisible && !document.hidden && workflows.refresh();
    setInterval(look, REFRESH);
    app.commands.addCommand('dbutils-local:workflows', {
      label: 'Show Workflows',
      execute: () => {
        app.shell.activateById(widget.id);
        return workflows.refresh();
      },
    });
  };

  const ICON =
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="16"><g class="jp-icon3" fill="#616161">' +
    '<rect x="2" y="9" width="6" height="6" rx="1"/><rect x="16" y="3" width="6" height="6" rx="1"/>' +
    '<rect x="16" y="15" width="6" height="6" rx="1"/></g><path class="jp-icon3" fill="#616161" ' +
    'd="M8 11.2l7-4.6.9 1.3L9.2 12l6.7 4.1-.9 1.3-7-4.6z"/></svg>';

  // ---------------------------------------------------------------- what JupyterLab calls

  const load = async () => {
    const parts = await Promise.all(
      ['@jupyterlab/notebook', '@jupyterlab/outputarea', '@jupyterlab/services', '@jupyterlab/ui-components',
        '@jupyterlab/coreutils', '@lumino/widgets'].map(shared),
    );
    const lab = Object.assign({}, ...parts);
    const style = `${lab.PageConfig.getOption('fullLabextensionsUrl')}/${NAME}/static/style.css`;
    document.head.append(element('link', { rel: 'stylesheet', href: style }));
    const activate = (app, tracker) => {
      tracker.widgetAdded.connect((_, panel) => new Bar(lab, panel));
      openWorkflows(app, lab);
    };
    const plugin = { id: `${NAME}:plugin`, autoStart: true, requires: [lab.INotebookTracker], activate };
    return () => ({ __esModule: true, default: plugin });
  };

  (window._JUPYTERLAB ??= {})[NAME] = { init: given => { scope = given; }, get: load };
})();
