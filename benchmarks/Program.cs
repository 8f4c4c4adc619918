using CondDiffusion.MLNet.Benchmarks;

switch (args)
{
    case ["training"]:
        TrainingBenchmark.Run(rounds: 7);
        break;
    case ["training-memory", var variant]:
        TrainingBenchmark.PrintPeakMemory(variant);
        break;
    default:
        Console.Error.WriteLine("Usage: dotnet run -c Release --project benchmarks -- training");
        return 2;
}
return 0;
