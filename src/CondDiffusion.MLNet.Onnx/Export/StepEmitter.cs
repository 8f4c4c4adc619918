using System.Diagnostics;
using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Onnx.Format;
using static CondDiffusion.MLNet.Onnx.Format.TensorProto.Types;

namespace CondDiffusion.MLNet.Onnx.Export;

/// <summary>
/// Emits the step that the sampling loop repeats, a graph of its own. What differs from step to step is in tables.
/// </summary>
internal sealed class StepEmitter
{
    private readonly ModelDescription _model;
    private readonly NoiseSchedule _schedule;
    private readonly int[] _timesteps;
    private readonly GraphBuilder _graph;
    private readonly LayerEmitter _layers;
    private readonly string _step;
    private readonly bool _includesSteps;

    private StepEmitter(ExportedModel model, OnnxExportOptions options)
    {
        _model = model.Description;
        _schedule = _model.CreateSchedule();
        _timesteps = Timesteps.Choose(_schedule, _model.Sampling.Spacing, _model.Steps);
        _graph = new("step", options.Weights);
        _includesSteps = options.IncludeSteps;
        _layers = new(_graph, model);
        _step = _graph.AddInput("number", DataType.Int64);
    }

    private UNetShape Shape => _model.Network;

    /// <summary>Emits the step.</summary>
    /// <param name="model">The model.</param>
    /// <param name="options">The data type of the weights, and whether each step is an output.</param>
    /// <param name="labels">The embedding of each label, (N, D), a value of the graph around the loop.</param>
    /// <param name="guidance">Emits the guidance; null where the model cannot be guided.</param>
    /// <returns>
    /// A body of ONNX's Loop, from x_t and the image that the step before predicted, which the first step ignores, to
    /// x_s and the image that this step predicts; and x_s once more where each step is an output.
    /// </returns>
    public static GraphProto Emit(
        ExportedModel model, OnnxExportOptions options, string labels, GuidanceEmitter? guidance) =>
        new StepEmitter(model, options).Emit(labels, guidance);

    private GraphProto Emit(string labels, GuidanceEmitter? guidance)
    {
        long[] sizes = [GraphBuilder.Images, Shape.Channels, Shape.Height, Shape.Width];
        var condition = _graph.AddInput("condition", DataType.Bool);
        var xt = _graph.AddInput("x_t", DataType.Float, sizes);
        var x0Before = _graph.AddInput("x_0_before", DataType.Float, sizes);

        var x0 = guidance is null
            ? Denoise(xt, labels)
            : guidance.Guide(_graph, IsGuided(), xt, labels, Shape.EmbeddingSize, Denoise);
        if (_model.Sampling.ClipPixels)
            x0 = _graph.Apply("Clip", [x0, _graph.Scalar(-1f), _graph.Scalar(1f)]);

        _graph.AddOutput(_graph.Apply("Identity", [condition]), DataType.Bool);
        var xs = TakeStep(xt, x0, x0Before);
        _graph.AddOutput(xs, DataType.Float, sizes);
        _graph.AddOutput(x0, DataType.Float, sizes);
        if (_includesSteps) _graph.AddOutput(_graph.Apply("Identity", [xs]), DataType.Float, sizes);
        return _graph.Graph;
    }

    /// <summary>Emits the image x_0 that the network predicts, as <see cref="Prediction"/> computes it.</summary>
    private string Denoise(string xt, string labels)
    {
        var prediction = UNetEmitter.Emit(_layers, xt, _graph.Plus(labels, EncodeNoise()));
        var alpha = Number(_timesteps.Select(_schedule.Alpha));
        var noise = _graph.Times(prediction, Number(_timesteps.Select(_schedule.Sigma)));
        return _model.Prediction switch
        {
            PredictionTarget.Noise => _graph.Apply("Div", [_graph.Minus(xt, noise), alpha]),
            PredictionTarget.Velocity => _graph.Minus(_graph.Times(xt, alpha), noise),
            _ => throw new UnreachableException($"{_model.Prediction}"),
        };
    }

    /// <summary>Emits the encoding of the noise at the step's timestep, (D).</summary>
    private string EncodeNoise()
    {
        var size = Shape.EmbeddingSize;
        Func<float, int, float[]> encode =
            Shape.Form.TakesNoiseLevel ? NoiseLevelEmbedding.Encode : TimestepEmbedding.Encode;
        float[] encodings = [.. _timesteps.SelectMany(t => encode(Shape.NoiseAt(_schedule, t), size))];
        return _graph.Pick(_graph.Constant(encodings, _timesteps.Length, size), _step);
    }

    /// <summary>
    /// Emits x_s. Without fresh noise, a step of DDIM is one of DPM-Solver++ of first order (Lu et al. 2022, arXiv
    /// 2211.01095, section 4).
    /// </summary>
    private string TakeStep(string xt, string x0, string x0Before)
    {
        var steps = DpmSolverSampler.Steps(_schedule, _timesteps);
        if (_model.Sampling.Sampler == Sampler.DpmSolver)
        {
            var change = _graph.Minus(x0, x0Before);
            x0 = _graph.Plus(x0, _graph.Times(change, Number(steps.Select(step => step.Change))));
        }

        return _graph.Plus(
            _graph.Times(xt, Number(steps.Select(step => step.Noisy))),
            _graph.Times(x0, Number(steps.Select(step => step.Image))));
    }

    /// <summary>Emits whether the step guides, a scalar.</summary>
    private string IsGuided()
    {
        bool[] isGuided = [.. _timesteps.Select(t => _model.Sampling.Guides(_schedule.NoiseLevel(t)))];
        return _graph.Pick(_graph.Booleans(isGuided), _step);
    }

    /// <summary>Emits the step's own number of a table, a scalar.</summary>
    private string Number(IEnumerable<double> table)
    {
        float[] values = [.. table.Select(value => (float)value)];
        return _graph.Pick(_graph.Constant(values, values.Length), _step);
    }
}
