using CondDiffusion.MLNet.Files;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Onnx.Format;
using Google.Protobuf;
using static CondDiffusion.MLNet.Onnx.Format.TensorProto.Types;

namespace CondDiffusion.MLNet.Onnx.Export;

/// <summary>
/// Writes a model as an ONNX file that goes the whole way from noise to images, in one loop over the sampling steps.
/// </summary>
internal static class OnnxExporter
{
    // The first operator set that has LayerNormalization, and the version of the format that came with it.
    private const long OperatorSet = 17;
    private const long FormatVersion = 8;

    /// <summary>Writes a file, completely or not at all.</summary>
    /// <exception cref="ArgumentException">
    /// An option is invalid, or the model adds fresh noise while it generates.
    /// </exception>
    public static void Save(ExportedModel model, string path, OnnxExportOptions options)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        Check(options);
        if (options.Sampling is { } sampling)
            model = model with { Description = model.Description.WithSampling(sampling) };
        CheckSampler(model.Description.Sampling);

        var file = Export(model, options);
        AtomicFile.Write(path, replace: true, temporary =>
        {
            using var stream = File.Create(temporary);
            file.WriteTo(stream);
        });
    }

    private static void Check(OnnxExportOptions options)
    {
        var errors = new OptionErrors();
        errors.Defined(options.Weights);
        if (errors.Text is { } text)
            throw new ArgumentException($"Invalid {nameof(OnnxExportOptions)}: {text}", nameof(options));
    }

    private static void CheckSampler(SamplingOptions sampling)
    {
        var noisy = sampling switch
        {
            { Sampler: Sampler.Ancestral } => "Ancestral",
            { Sampler: Sampler.Ddim, Eta: > 0 } => $"Ddim with Eta {sampling.Eta}",
            _ => null,
        };
        if (noisy is null) return;

        throw new ArgumentException(
            $"The model's Sampler must be DpmSolver, or Ddim with Eta 0, but is {noisy}, which adds fresh noise in " +
            $"every step. Choose another with {nameof(ImageGenerationCatalog.WithSampling)}, or with " +
            $"{nameof(OnnxExportOptions)}.{nameof(OnnxExportOptions.Sampling)}.");
    }

    private static ModelProto Export(ExportedModel model, OnnxExportOptions options)
    {
        var file = new ModelProto
        {
            IrVersion = FormatVersion,
            ProducerName = "CondDiffusion.MLNet",
            ProducerVersion = typeof(OnnxExporter).Assembly.GetName().Version!.ToString(3),
            Graph = BuildGraph(model, options),
        };
        file.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = OperatorSet });
        var json = System.Text.Encoding.UTF8.GetString(model.Description.ToJson());
        file.MetadataProps.Add(new StringStringEntryProto { Key = OnnxNames.Description, Value = json });
        file.MetadataProps.Add(new StringStringEntryProto { Key = OnnxNames.Hash, Value = model.Hash });
        return file;
    }

    private static GraphProto BuildGraph(ExportedModel model, OnnxExportOptions options)
    {
        var description = model.Description;
        var shape = description.Network;
        long[] sizes = [GraphBuilder.Images, shape.Channels, shape.Height, shape.Width];

        var graph = new GraphBuilder("generator", options.Weights);
        var label = graph.AddInput(OnnxNames.Label, DataType.Int64, GraphBuilder.Images);
        var noise = graph.AddInput(OnnxNames.Noise, DataType.Float, sizes);
        var guidance = description.GeneratesUnlabelled ? new GuidanceEmitter(graph, label) : null;

        // In the first step the predicted image of the step before has the factor 0, so that it may be anything.
        var step = StepEmitter.Emit(model, options, EmbedLabels(graph, model, label), guidance);
        var steps = graph.Scalar((long)description.Steps);
        var outputs = options.IncludeSteps ? 3 : 2; // x_s, the predicted image, and x_s after each step
        var results = graph.Apply("Loop", outputs, [steps, "", noise, noise], OnnxAttribute.Graph("body", step));
        graph.Rename(MarkUnknown(graph, description, label, results[0]), OnnxNames.Pixels);
        graph.AddOutput(OnnxNames.Pixels, DataType.Float, sizes);
        if (options.IncludeSteps)
        {
            graph.Rename(MarkUnknown(graph, description, label, results[2]), OnnxNames.Steps);
            graph.AddOutput(OnnxNames.Steps, DataType.Float, [description.Steps, .. sizes]);
        }

        return graph.Graph;
    }

    /// <summary>Emits the embedding of each label, (N, D), which is zeros where there is none.</summary>
    private static string EmbedLabels(GraphBuilder graph, ExportedModel model, string label)
    {
        const string Table = "label_emb.weight";

        // The first row of the table stands for no label. Not every device refuses a row that a table does not have.
        var labels = model.Description.Network.Labels;
        var size = model.Description.Network.EmbeddingSize;
        var table = graph.Weights(Table, [.. new float[size], .. model.Weights[Table].Values], labels + 1L, size);
        var row = graph.Plus(label, graph.Scalar(1L));
        return graph.Pick(table, graph.Apply("Clip", [row, graph.Scalar(0L), graph.Scalar((long)labels)]));
    }

    /// <summary>
    /// Emits the images with NaN in place of those whose label the model does not have, and of those without one where
    /// it needs one.
    /// </summary>
    private static string MarkUnknown(GraphBuilder graph, ModelDescription model, string label, string images)
    {
        var isKnown = graph.Apply("Less", [label, graph.Scalar((long)model.Network.Labels)]);
        if (!model.GeneratesUnlabelled)
            isKnown = graph.Apply("And", [isKnown, graph.Apply("GreaterOrEqual", [label, graph.Scalar(0L)])]);

        return graph.Apply("Where", [graph.Unsqueeze(isKnown, 1, 2, 3), images, graph.Scalar(float.NaN)]);
    }
}
