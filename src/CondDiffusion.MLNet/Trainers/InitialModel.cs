using System.Security.Cryptography;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using Microsoft.ML;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet;

/// <summary>
/// A trained model whose weights another training starts from: on other images, with other labels, or with more of
/// them. The networks have the same architecture, channels, widths, embedding size and prediction target, and with
/// <see cref="NetworkArchitecture.Plain"/> the same timesteps and schedule; the images may have another height and
/// width.
/// </summary>
public sealed class InitialModel
{
    private const string LabelTable = "label_emb.weight";

    private readonly string _name;
    private readonly Action<ModelDescription, UseModel> _open;
    private readonly Func<byte[]> _hash;

    private InitialModel(string name, Action<ModelDescription, UseModel> open, Func<byte[]> hash)
    {
        _name = name;
        _open = open;
        _hash = hash;
    }

    /// <summary>Uses an opened model.</summary>
    /// <param name="network">Its network.</param>
    /// <param name="model">Its description; null for a file of weights, which has none.</param>
    private delegate void UseModel(ConditionalUNet network, ModelDescription? model);

    /// <summary>Gets a hash of the weights in memory, or of the file.</summary>
    internal string Fingerprint => Convert.ToHexStringLower(Explain(_hash));

    /// <summary>Starts from a model in memory, which must not be disposed before the training begins.</summary>
    /// <param name="model">The transformer that a training returned, or a chain with it.</param>
    /// <exception cref="ArgumentException">The model does not generate images.</exception>
    public static InitialModel From(ITransformer model) =>
        From(ITrainedModel.Of(model), "InitialModel, the given transformer,");

    /// <summary>Starts from a model in memory.</summary>
    /// <param name="trained">The model.</param>
    /// <param name="name">What messages call it.</param>
    internal static InitialModel From(ITrainedModel trained, string name)
    {
        return new(
            name,
            (_, use) => trained.Generator.UseNetwork(network => use(network, trained.Description)),
            () => Hash(stream => trained.Generator.UseNetwork(network => network.Save(stream))));
    }

    /// <summary>Starts from a file, which is read when the training begins.</summary>
    /// <param name="path">
    /// A model file of ML.NET that ends in ".zip", with a trained generator of images, alone or in a chain; or a file
    /// of weights that ends in ".safetensors", with the names of PyTorch's state_dict. A chain with a custom mapping
    /// has to be loaded by a context that knows the mapping: use <see cref="From(ITransformer)"/>.
    /// </param>
    /// <exception cref="ArgumentException">The path has another ending.</exception>
    public static InitialModel FromFile(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        return new($"InitialModel, the file '{path}',", FindReader(path), () => Hash(stream =>
        {
            using var file = File.OpenRead(path);
            file.CopyTo(stream);
        }));
    }

    /// <summary>
    /// Creates a network with the weights of this one. A label that this model knows keeps its row of the label table;
    /// a new one starts at the mean of the rows. Where either has labels without values, the rows keep their numbers.
    /// A layer for transforms that this model lacks starts at zero, and one that the other lacks is left out.
    /// </summary>
    /// <param name="model">The model to train.</param>
    /// <param name="device">The device of the network.</param>
    /// <exception cref="InvalidOperationException">
    /// This model cannot be read, or does not fit; the message says why.
    /// </exception>
    internal ConditionalUNet CreateNetwork(ModelDescription model, Device device) => Explain(() =>
    {
        ConditionalUNet? network = null;
        _open(model, (source, known) =>
        {
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            CheckFits(source.Shape, known, model);
            var values = source.StateDict().ToDictionary(tensor => tensor.Entry.Name, tensor => tensor.Values);
            var table = Map(values[LabelTable], known?.Labels.Values, model.Labels);
            network = ConditionalUNet.Create(
                model.Network,
                device,
                entry => entry.Name switch
                {
                    LabelTable => table,
                    UNetShape.TransformLayer when !source.Shape.TakesTransform =>
                        zeros(entry.Shape, ScalarType.Float32, CPU),
                    var name => values[name],
                });
        });
        return network!;
    });

    private static Action<ModelDescription, UseModel> FindReader(string path) =>
        Path.GetExtension(path).ToUpperInvariant() switch
        {
            ".ZIP" => (_, use) => OpenModel(path, use),
            ".SAFETENSORS" => (model, use) => OpenWeights(path, model.Network, use),
            _ => throw new ArgumentException($"'{path}' ends neither in .zip nor in .safetensors.", nameof(path)),
        };

    private static void OpenModel(string path, UseModel use)
    {
        var model = new MLContext().Model.Load(path, out _);
        using var disposable = model as IDisposable;
        var trained = ITrainedModel.Find(model) ?? throw new FormatException("its model does not generate images.");
        trained.Generator.UseNetwork(network => use(network, trained.Description));
    }

    private static void OpenWeights(string path, UNetShape shape, UseModel use)
    {
        using var stream = File.OpenRead(path);
        var rows = Safetensors.FindShape(stream, LabelTable) is [var count and > 0 and <= ModelLimits.Size, _]
            ? (int)count
            : throw new FormatException($"it has no table '{LabelTable}' of label embeddings.");
        stream.Position = 0;
        var takesTransform = Safetensors.FindShape(stream, UNetShape.TransformLayer) is not null;
        stream.Position = 0;
        using var network = ConditionalUNet.Load(
            stream, shape with { Labels = rows, TakesTransform = takesTransform }, CPU);
        use(network, null);
    }

    private static void CheckFits(UNetShape from, ModelDescription? known, ModelDescription model)
    {
        var to = model.Network;
        var differences = new List<string>();
        Compare(nameof(from.Architecture), from.Architecture, to.Architecture);
        Compare(nameof(from.Channels), from.Channels, to.Channels);
        Compare("ChannelWidths", Text(from.Widths), Text(to.Widths));
        Compare(nameof(from.EmbeddingSize), from.EmbeddingSize, to.EmbeddingSize);
        if (known is not null) Compare(nameof(model.Prediction), known.Prediction, model.Prediction);

        // A network that is given timesteps knows those of one schedule.
        if (known is not null && !to.Form.TakesNoiseLevel)
        {
            Compare(nameof(model.Timesteps), known.Timesteps, model.Timesteps);
            Compare(nameof(model.Schedule), Describe(known), Describe(model));
        }

        if (differences.Count > 0)
            throw new FormatException($"it is another kind of model: {string.Join("; ", differences)}.");

        void Compare<T>(string option, T found, T expected)
        {
            if (!Equals(found, expected)) differences.Add($"{option} is {found} there and {expected} here");
        }

        static string Text(IReadOnlyList<int> widths) => $"[{string.Join(", ", widths)}]";

        static string Describe(ModelDescription model) =>
            model is { Schedule: BetaSchedule.Linear, Timesteps: not 1000, ScalesVariances: false }
                ? "Linear with the variances of 1000 timesteps"
                : $"{model.Schedule}";
    }

    /// <summary>Returns the label table of a network with other labels.</summary>
    private static Tensor Map(Tensor table, IReadOnlyList<string>? known, LabelVocabulary labels)
    {
        // Of equal values, the first counts.
        var rows = known?.Index()
            .DistinctBy(label => label.Item)
            .ToDictionary(label => label.Item, label => (long)label.Index);
        var mean = table.shape[0]; // the row after the others
        var places = Enumerable.Range(0, labels.Count).Select(row => rows is null || labels.Values is null
            ? Math.Min(row, mean)
            : rows.GetValueOrDefault(labels.Values[row], mean));
        var extended = cat([table, table.mean([0], keepdim: true)]);
        return extended.index_select(0, tensor([.. places], ScalarType.Int64, table.device));
    }

    private static byte[] Hash(Action<Stream> write)
    {
        using var hash = SHA256.Create();
        using (var stream = new CryptoStream(Stream.Null, hash, CryptoStreamMode.Write)) write(stream);
        return hash.Hash!;
    }

    private T Explain<T>(Func<T> use)
    {
        try
        {
            return use();
        }
        catch (Exception exception) when (exception is not (OperationCanceledException or OutOfMemoryException))
        {
            // ML.NET wraps what a file's loader throws, and the innermost exception says what is wrong.
            throw new InvalidOperationException(
                $"{_name} cannot be used: {exception.GetBaseException().Message}", exception);
        }
    }
}
