using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Onnx;
using CondDiffusion.MLNet.Onnx.Export;
using CondDiffusion.MLNet.Onnx.Format;
using Google.Protobuf;
using Microsoft.ML.Data;
using Microsoft.ML.OnnxRuntime;

namespace CondDiffusion.MLNet;

/// <summary>
/// Generates labelled images with an ONNX file of <see cref="OnnxExtensions.SaveAsOnnx"/>, in ONNX Runtime and without
/// libtorch. With <see cref="OnnxWeights.Float32"/>, a label and a seed give the image that the ML.NET model gives with
/// <see cref="Precision.Float32"/>, up to one grey level.
/// </summary>
/// <remarks>Any number of threads may use it at once.</remarks>
public sealed class OnnxImageGenerator : IDisposable
{
    // More images at a time gain nothing on a CPU.
    private const int MostRows = 32;

    // The largest activation of a batch has at most this size, unless that of a single image is larger.
    private const long MostActivationBytes = 128L << 20;

    private readonly ModelDescription _model;
    private readonly InferenceSession _session;
    private readonly Lifetime _lifetime;

    private OnnxImageGenerator(ModelDescription model, InferenceSession session)
    {
        _model = model;
        _session = session;
        _lifetime = new(typeof(OnnxImageGenerator), session.Dispose);
    }

    /// <summary>Gets the labels that the model was trained with, as text; the first has the number 0.</summary>
    /// <value>Null if the label column of the training data held keys without values.</value>
    public IReadOnlyList<string>? LabelValues => _model.Labels.Values;

    /// <summary>Gets the sampling that is built into the file. Its precision has no meaning here.</summary>
    public SamplingOptions Sampling => _model.Sampling;

    /// <summary>Gets whether the model can generate images without a label and with guidance.</summary>
    public bool GeneratesUnlabelled => _model.GeneratesUnlabelled;

    /// <summary>Loads a file of <see cref="OnnxExtensions.SaveAsOnnx"/>.</summary>
    /// <param name="path">Path of the file.</param>
    /// <param name="options">
    /// Threads and execution providers of ONNX Runtime; null for all cores of the CPU. The caller disposes them.
    /// </param>
    /// <exception cref="FormatException">
    /// The file is cut short, is not one of <see cref="OnnxExtensions.SaveAsOnnx"/>, or needs a newer version of the
    /// library. The message names it and says which.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// ONNX Runtime cannot load the file although it is complete, for example because of an option. The message has the
    /// runtime's reason.
    /// </exception>
    public static OnnxImageGenerator Load(string path, SessionOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        var session = CreateSession(path, options);
        try
        {
            return new(ReadDescription(session), session);
        }
        catch (FormatException exception)
        {
            session.Dispose();
            throw new FormatException($"'{path}' cannot be read: {exception.Message}", exception);
        }
    }

    /// <summary>Generates an image for each label.</summary>
    /// <param name="labels">
    /// Label of each image: one of <see cref="LabelValues"/> or, if those are null, the number of its key, from "1". A
    /// null label generates an image without a label, if the model <see cref="GeneratesUnlabelled"/>.
    /// </param>
    /// <param name="seeds">Seed of each image; by default 0, 1, 2 and so on.</param>
    /// <param name="guidance">
    /// Guidance scale of each image, in [0, 1000]; by default that of the model's <see cref="Sampling"/>.
    /// </param>
    /// <param name="progress">
    /// Callback that receives a report of the last step of each batch, on the calling thread. It can look at the
    /// batch's images, and can stop the generation by throwing an exception.
    /// </param>
    /// <param name="cancellationToken">Token that stops the generation at the network's next operation.</param>
    /// <returns>An image for each label, in order. The caller owns the images and should dispose them.</returns>
    /// <exception cref="ArgumentException">
    /// There are no labels; a label is not one of the model's, or is null although the model cannot generate without a
    /// label; the numbers of labels, seeds and guidance scales differ; or a scale is out of its range, or given for a
    /// model that cannot be guided.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// The model generates neither 1 channel nor 3, as an image has.
    /// </exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">
    /// The generator was disposed, before or during the generation.
    /// </exception>
    public IReadOnlyList<MLImage> Generate(
        IReadOnlyList<string?> labels,
        IReadOnlyList<long>? seeds = null,
        IReadOnlyList<float>? guidance = null,
        Action<GenerationProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        var shape = _model.Network.ToImageShape();
        if (shape.Channels is not (1 or 3))
        {
            throw new InvalidOperationException(
                $"An image has 1 or 3 channels, but this model generates {shape.Channels}. Run the file in ONNX " +
                "Runtime itself, or with ApplyOnnxModel: its output has the pixels.");
        }

        var conditions = Conditions.Create(_model, labels, seeds, guidance);
        return PixelConversion.ToImages(GenerateBatches(conditions, progress, cancellationToken), shape);
    }

    /// <summary>
    /// Frees the model's memory. Generations that are running end at the network's next operation; this method does not
    /// wait for them, and the last of them frees the memory.
    /// </summary>
    public void Dispose() => _lifetime.Dispose();

    /// <summary>Returns the number of images to generate at a time.</summary>
    internal static int ChooseBatchSize(ModelDescription model)
    {
        if (model.PossibleBatchSize is { } size) return size;

        // The network evaluates a guided image twice, in the same batch.
        var evaluations = model.GeneratesUnlabelled ? 2 : 1;
        var bytes = sizeof(float) * evaluations * UNetEmitter.LargestActivation(model.Network);
        return (int)Math.Clamp(MostActivationBytes / bytes, 1, MostRows);
    }

    /// <summary>Generates the pixels of each row, [C, H, W], in batches of [B, C, H, W].</summary>
    internal IEnumerable<float[]> GenerateBatches(
        Condition[] rows, Action<GenerationProgress>? report = null, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using var lifetime = _lifetime.Begin();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _lifetime.Disposing);
        var size = ChooseBatchSize(_model);
        Condition[][] batches = [.. rows.Chunk(size)];
        foreach (var (i, batch) in batches.Index())
        {
            var generated = GenerateBatch(batch, stop.Token, cancellationToken);
            report?.Invoke(new(() => PixelConversion.ToImages([generated], _model.Network.ToImageShape()))
            {
                Step = _model.Steps,
                Steps = _model.Steps,
                BatchNumber = i + 1,
                Batches = batches.Length,
                FirstImage = i * size,
            });
            yield return generated;
        }
    }

    private static InferenceSession CreateSession(string path, SessionOptions? options)
    {
        var file = File.ReadAllBytes(path);
        try
        {
            return options is null ? new(file) : new(file, options);
        }
        catch (OnnxRuntimeException exception) when (IsComplete(file))
        {
            throw new InvalidOperationException($"'{path}' cannot be loaded: {exception.Message}", exception);
        }
        catch (OnnxRuntimeException exception)
        {
            throw new FormatException(
                $"'{path}' is not a complete file of {nameof(OnnxExtensions.SaveAsOnnx)}: {exception.Message}",
                exception);
        }
    }

    private static bool IsComplete(byte[] file)
    {
        try
        {
            return ModelProto.Parser.ParseFrom(file).Graph is not null;
        }
        catch (InvalidProtocolBufferException)
        {
            return false;
        }
    }

    private static ModelDescription ReadDescription(InferenceSession session)
    {
        if (!session.ModelMetadata.CustomMetadataMap.TryGetValue(OnnxNames.Description, out var json))
        {
            throw new FormatException(
                $"it has no metadata '{OnnxNames.Description}', as files of {nameof(OnnxExtensions.SaveAsOnnx)} have.");
        }

        var model = ModelDescription.Parse(System.Text.Encoding.UTF8.GetBytes(json));
        var shape = model.Network;
        int[] expected = [-1, shape.Channels, shape.Height, shape.Width];
        var found = session.InputMetadata.GetValueOrDefault(OnnxNames.Noise)?.Dimensions ?? [];
        if (found.SequenceEqual(expected)) return model;

        static string Text(int[] sizes) => $"[{string.Join(", ", sizes)}]";
        throw new FormatException(
            $"its input '{OnnxNames.Noise}' has the sizes {Text(found)}, expected {Text(expected)}.");
    }

    /// <param name="rows">What decides each image.</param>
    /// <param name="stop">Stops the generation: the caller's token and that of the disposal together.</param>
    /// <param name="cancellationToken">The caller's token.</param>
    private float[] GenerateBatch(Condition[] rows, CancellationToken stop, CancellationToken cancellationToken)
    {
        var shape = _model.Network;
        RowNoise[] noises = [.. rows.Select(row => new RowNoise(_model.NoiseSeed, row.NoiseKey))];
        var noise = RowNoise.Create(noises, shape.Pixels, ImageGenerator.InitialNoise);
        long[] labels = [.. rows.Select(row => (long)row.Label!.Value)];
        float[] scales = [.. rows.Select(row => row.Guidance)];

        using var label = OrtValue.CreateTensorValueFromMemory(labels, [rows.Length]);
        using var start = OrtValue.CreateTensorValueFromMemory(
            noise, [rows.Length, shape.Channels, shape.Height, shape.Width]);
        using var guidance = OrtValue.CreateTensorValueFromMemory(scales, [rows.Length]);
        var inputs = new Dictionary<string, OrtValue> { [OnnxNames.Label] = label, [OnnxNames.Noise] = start };
        if (GeneratesUnlabelled) inputs[OnnxNames.Guidance] = guidance;

        // The runtime would write a cancellation to the console as an error; real errors are exceptions.
        using var run = new RunOptions { LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL };
        using var registration = stop.Register(() => run.Terminate = true);
        try
        {
            using var outputs = _session.Run(run, inputs, [OnnxNames.Pixels]);
            return outputs[0].GetTensorDataAsSpan<float>().ToArray();
        }
        catch (OnnxRuntimeException exception) when (stop.IsCancellationRequested)
        {
            if (!cancellationToken.IsCancellationRequested) _lifetime.CheckNotDisposed();
            throw new OperationCanceledException(exception.Message, exception, cancellationToken);
        }
    }
}
